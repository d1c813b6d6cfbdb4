"""The probability that a box holds one whole mark: boosted trees over the numbers of a place, and their fit.

scikit-learn fits them; `core.sight.network.judge` runs them as ONNX.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

WHOLE, PART = 0.6, 0.45  # overlap with a mark from which a box is it, and up to which it is not; between: not learnt
MEMBERS, TREES, LEAVES = 4, 130, 12


@dataclass(frozen=True)
class Sureness:
    """Several forests, and the line through their mean logit that calibrates it."""

    members: list[HistGradientBoostingClassifier]
    slope: float
    shift: float


def fitted(numbers: np.ndarray, overlaps: np.ndarray, kept: np.ndarray, kept_overlaps: np.ndarray) -> Sureness:
    """Fitted on boxes (N, K) and their ``overlaps`` (N,) with a mark; calibrated on boxes ``kept`` out (Platt 1999)."""
    learnt = (overlaps >= WHOLE) | (overlaps <= PART)
    members = [
        HistGradientBoostingClassifier(
            max_iter=TREES,
            learning_rate=0.06,
            max_leaf_nodes=LEAVES,
            l2_regularization=1.0,
            min_samples_leaf=20,
            max_features=0.5,
            random_state=seed,
        ).fit(numbers[learnt], overlaps[learnt] >= WHOLE)
        for seed in range(MEMBERS)
    ]
    clear = (kept_overlaps >= WHOLE) | (kept_overlaps <= PART)
    logits = np.mean([member.decision_function(kept[clear]) for member in members], axis=0)
    line = LogisticRegression(C=1e4).fit(logits[:, None], kept_overlaps[clear] >= WHOLE)
    return Sureness(members, float(line.coef_[0, 0]), float(line.intercept_[0]))


def show(name: str, said: np.ndarray, overlaps: np.ndarray, of: np.ndarray, marked: np.ndarray) -> None:
    """Print how well numbers ``said`` (N,) of boxes tell which of them are marks (``overlaps``), which is the mark of
    the picture that each is ``of``, and in which pictures one is (``marked``)."""
    from sklearn.metrics import roc_auc_score

    clear = (overlaps >= WHOLE) | (overlaps <= PART)
    best = [np.flatnonzero(of == each)[said[of == each].argmax()] for each in np.unique(of)]
    print(
        f"{name:8} boxes: AUROC {roc_auc_score(overlaps[clear] >= WHOLE, said[clear]):.3f}; the first box right in "
        f"{sum(overlaps[i] >= WHOLE for i in best)} of {sum(marked[i] for i in best)} pictures with a mark; pictures "
        f"with one and without: AUROC {roc_auc_score([marked[i] for i in best], [said[i] for i in best]):.3f}"
    )


def export(sureness: Sureness, numbers: int) -> bytes:
    """(N, ``numbers``) -> (N,) probabilities, as ONNX."""
    from onnx import TensorProto, helper

    nodes: dict[str, list] = {name: [] for name in ("tree", "node", "feature", "mode", "value", "true", "false")}
    leaves: dict[str, list] = {name: [] for name in ("tree", "node", "weight")}
    share = sureness.slope / len(sureness.members)
    trees = [stage[0].nodes for member in sureness.members for stage in member._predictors]
    for number, tree in enumerate(trees):
        for i, node in enumerate(tree):
            leaf = bool(node["is_leaf"])
            row = {
                "tree": number,
                "node": i,
                "feature": 0 if leaf else int(node["feature_idx"]),
                "mode": "LEAF" if leaf else "BRANCH_LEQ",
                "value": 0.0 if leaf else float(node["num_threshold"]),
                "true": 0 if leaf else int(node["left"]),
                "false": 0 if leaf else int(node["right"]),
            }
            for name, value in row.items():
                nodes[name].append(value)
            if leaf:
                leaves["tree"].append(number)
                leaves["node"].append(i)
                leaves["weight"].append(share * float(node["value"]))
    before = sum(float(member._baseline_prediction[0, 0]) for member in sureness.members)
    forest = helper.make_node(
        "TreeEnsembleRegressor",
        ["numbers"],
        ["logits"],
        domain="ai.onnx.ml",
        n_targets=1,
        base_values=[share * before + sureness.shift],
        nodes_treeids=nodes["tree"],
        nodes_nodeids=nodes["node"],
        nodes_featureids=nodes["feature"],
        nodes_modes=nodes["mode"],
        nodes_values=nodes["value"],
        nodes_truenodeids=nodes["true"],
        nodes_falsenodeids=nodes["false"],
        target_treeids=leaves["tree"],
        target_nodeids=leaves["node"],
        target_ids=[0] * len(leaves["tree"]),
        target_weights=leaves["weight"],
    )
    graph = helper.make_graph(
        [
            forest,
            helper.make_node("Sigmoid", ["logits"], ["sures"]),
            helper.make_node("Reshape", ["sures", "row"], ["sure"]),
        ],
        "sureness",
        [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["n", numbers])],
        [helper.make_tensor_value_info("sure", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor("row", TensorProto.INT64, [1], [-1])],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
