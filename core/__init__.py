"""Burin's pipeline: everything the product does, with no Streamlit in it.

Modules import only modules above them in this list (checked by tests/test_floors.py):

ground     errors, config, workspace, containers, images, preprocessing, names, job, jobs
catalogue  records, catalogue, moves, journal, listing, vectorstore, operations
dataset    curation, walk, reconcile, rescan, salvage, inbox, dataset
intake     originals, cells, archives, admission, landing, ingest, exports, triage
marks      strokes, hands, drawing, marks, sample
learning   weights, card, model, engine, embedder, neighbours, gallery
variation  transforms, policies, augment, sources, variants, safety, checks, writer, balance, capture
reading    ranking, calibrate, identify, figures, cli_variants, cli
review     neighbourhood, predictions, queue, quality
"""
