#!/bin/sh
# What a container does: write the two addresses into the workspace's settings where they are given, then serve.
# A search server that is away at this moment is no reason not to start: the setting of the last start holds.
set -eu
if [ -n "${BURIN_CATALOGUE_URL:-}" ]; then
    python -m core settings set catalogue_url "$BURIN_CATALOGUE_URL"
fi
if [ -n "${BURIN_INDEX_URL:-}" ]; then
    python -m core settings set index_url "$BURIN_INDEX_URL" || echo "burin: going on with the search server of the last start" >&2
fi
exec python -m streamlit run Home.py
