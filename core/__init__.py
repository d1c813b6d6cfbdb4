"""Burin's pipeline: everything the product does, with no Streamlit in it.

One package a floor, in this order; a module imports only modules above it, in its own floor or in
a higher one (checked by tests/test_floors.py):

ground       errors, machine_faults, config, rights, translations, arrays, workspace, locks, budget, boxes, containers
ground       tones, unsupported_formats, images, kinds, names, extras, work, job, keys, cluster, jobs, job_process
ground       regions, ink, preprocessing, sameness, outlines
sight        inputs, network, groups, reading, choosing, proposals, marks, hypotheses, doubts
catalogue    records, sqlitefile, database, catalogue, leases, moves, journal, listing, vectorstore, products
catalogue    operations
collection   inbox, curation, assortment, walk, reconcile, rescan, salvage, copies, dataset, saved, backup, restored
collection   looks
intake       originals, cells, labels, product_table, shelves, archives, admission, landing, ingest, work, exports
intake       triage
synthesis    strokes, hands, drawing, marks, sample, grounds, engraving, clutter, camera, scenes, tables
embedding    weights, card, model, timm_encoder, engine, photograph_map, plans, embedder, actors, neighbours
embedding    candidates, nearest, recall, resident, milvus, gallery, references, mirror, mirror_keeper, opening
variation    effects, transforms, policies, augment, sources, variants, references, twins, safety, checks
variation    writer, work, balance, capture, figures
recognition  ranking, cohesion, metrics, alignment, evidence, trials, calibrate, thresholds, verdicts
recognition  identify, views
products     proposing, codes, matching, finding, letters, explanations, pictures, taking
review       neighbourhood, predictions, queue, dismissed, sights, quality
training     settings, families, splits, audit, siamese, losses, sampling, schedule, batches, health, validation
training     checkpoint, distributed, trainer, promoted, run, runs, recorder, transfer, promotion, data, initial_network
training     prepare, queue, work
evaluation   predictions, report, store, compare, confusion, artefacts, projection, export_files, traits
evaluation   error_causes, unseen, html_report, corrections, figures, evaluated_files, output_manifest
evaluation   error_bundle, work, series
showcase     laid, shipped, photographs, tried, sample
shell        words, variation, queue, training_options, training, runs, settings, evaluation, views, products, main
"""
