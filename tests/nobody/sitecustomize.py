"""Every Python process of a server under test reads this as it starts, the jobs that it begins too: it refuses each
call to another host and notes it in the file that the environment names (tests/plant.py). The server itself listens for
the next workspace that it is to serve.
"""

import os

if _path := os.environ.get("BURIN_TEST_CALLED"):
    from tests.plant import nobody_called

    _kept = nobody_called(into=_path)  # as long as the process lives
    _kept.__enter__()

if _line := os.environ.pop("BURIN_TEST_LINE", ""):  # no job listens
    import threading

    from tests import moving

    threading.Thread(target=moving.listen, args=(int(_line),), daemon=True).start()
