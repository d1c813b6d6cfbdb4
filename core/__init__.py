"""Burin's pipeline: everything the product does, with no Streamlit in it.

Modules import only modules above them in this list (checked by tests/test_floors.py):

ground     errors, config, workspace, containers, images, preprocessing, names, job, jobs
data       catalogue, records, journal, moves, listing, operations, walk, inbox,
           vectorstore, rescan, dataset, ingest
marks      strokes, hands, drawing, marks, sample
learning   weights, card, model, engine, embedder, neighbours, gallery
reading    ranking, calibrate, identify, cli
"""
