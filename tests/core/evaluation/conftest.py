"""One drawn collection and its evaluation, shared by the tests that only read them."""

from __future__ import annotations

import pytest

from core.collection.dataset import Dataset
from core.evaluation.store import Evaluation
from tests.core.evaluation import made


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return made.collection(tmp_path_factory.mktemp("collection"))


@pytest.fixture(scope="session")
def evaluation(collection: Dataset) -> Evaluation:
    return made.evaluation(collection)
