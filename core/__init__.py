"""Burin's pipeline: everything the product does, with no Streamlit in it.

Modules import only modules above them in this list (checked by tests/test_floors.py):

ground     errors, config, workspace, containers, images, preprocessing, jobs
data       catalogue, journal, dataset, archives, ingest, sample
learning   weights, model, embedder, neighbours, gallery
reading    calibrate, identify, figures, cli
"""
