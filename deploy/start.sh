#!/bin/sh
# What a container does: write the addresses into the workspace's settings where they are given, then serve.
# A search server that is away at this moment is no reason not to start: the setting of the last start holds.
set -eu
if [ -n "${BURIN_CATALOGUE_URL:-}" ]; then
    python -m core settings set catalogue_url "$BURIN_CATALOGUE_URL"
fi
if [ -n "${BURIN_INDEX_URL:-}" ]; then
    python -m core settings set index_url "$BURIN_INDEX_URL" || echo "burin: going on with the search server of the last start" >&2
fi
if [ -n "${BURIN_RAY_ADDRESS:-}" ]; then
    ray start --address "$BURIN_RAY_ADDRESS" --num-cpus 0  # this machine's part of the cluster, which does none of its work
    python -m core settings set ray_address "$BURIN_RAY_ADDRESS"
fi
exec python -m streamlit run Home.py
