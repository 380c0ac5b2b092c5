"""Tiny networks with the inputs and outputs of YuNet and SFace, that follow the picture.

For this YuNet a face is a white square of 64 by 64 on dark, in the 640 by 640 that it looks at; it
sees those best whose centre lies in the centre of a cell of 32.
"""

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gpu_functions.faces import DETECTOR, SIDE

STRIDES = (8, 16, 32)
# Where eyes, nose and mouth lie in an aligned face of 112 by 112 (the template of ArcFace).
TEMPLATE = ((38.3, 51.7), (73.5, 51.5), (56.0, 71.7), (41.5, 92.4), (70.7, 92.2))


def build_detector(folder: Path) -> None:
    """Write the detector as gpu_functions.faces expects it in its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    nodes, weights, outputs = [], [], []
    for stride in STRIDES:
        made = _head(stride)
        nodes += made[0]
        weights += made[1]
        outputs += made[2]
    shape = [1, 3, SIDE, SIDE]
    _write(folder / DETECTOR.files[0], "input", shape, nodes, weights, outputs)


def build_recognizer(path: Path) -> None:
    """Write a recognizer: 128 numbers from an aligned face of 112 by 112."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(3)
    weights = [
        _tensor("centre", np.array(127.5)),
        _tensor("mix", random.normal(size=(3 * 7 * 7, 128)) / 100),
    ]
    nodes = [
        helper.make_node("Sub", ["data", "centre"], ["centred"]),
        helper.make_node(
            "AveragePool", ["centred"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]
        ),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "mix"], ["fc1"]),
    ]
    outputs = [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, 128])]
    _write(path, "data", [1, 3, 112, 112], nodes, weights, outputs)


def _head(stride: int) -> tuple[list, list, list]:
    """One scale of the network; only the coarsest is ever sure of a face."""
    sure = stride == STRIDES[-1]
    half = 32 // stride
    points = [(v / 112 - 0.5) * 2 * half + 0.5 for point in TEMPLATE for v in point]
    box = [0.5, 0.5, math.log(2 * half), math.log(2 * half)]
    # More than what a face itself adds to its surroundings: the surroundings need not be black.
    found = [0.4 if sure else 0.0]
    nodes = [
        _around(stride, 2 * stride, f"inside_{stride}"),
        _around(stride, 4 * stride, f"about_{stride}"),
        helper.make_node("Sub", [f"inside_{stride}", f"about_{stride}"], [f"alone_{stride}"]),
    ]
    weights, outputs = [], []
    for name, bias in {"cls": found, "obj": found, "bbox": box, "kps": points}.items():
        gain = 1 / (3 * 255) if sure and bias is found else 0.0
        label = f"{name}_{stride}"
        weights += [
            _tensor(f"w_{label}", np.full((len(bias), 3, 1, 1), gain)),
            _tensor(f"b_{label}", np.array(bias)),
            numpy_helper.from_array(np.array([1, -1, len(bias)], np.int64), f"s_{label}"),
        ]
        convolved = [f"alone_{stride}", f"w_{label}", f"b_{label}"]
        nodes += [
            helper.make_node("Conv", convolved, [f"map_{label}"]),
            helper.make_node("Transpose", [f"map_{label}"], [f"last_{label}"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"last_{label}", f"s_{label}"], [label]),
        ]
        shape = [1, (SIDE // stride) ** 2, len(bias)]
        outputs.append(helper.make_tensor_value_info(label, TensorProto.FLOAT, shape))
    return nodes, weights, outputs


def _around(stride: int, width: int, name: str) -> onnx.NodeProto:
    """How white it is around each cell; beyond the picture it is black."""
    return helper.make_node(
        "AveragePool",
        ["input"],
        [name],
        kernel_shape=[width, width],
        strides=[stride, stride],
        pads=[(width - stride) // 2] * 4,
        count_include_pad=1,
    )


def _tensor(name: str, values: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(values.astype(np.float32), name)


def _write(
    path: Path, source: str, shape: list[int], nodes: list, weights: list, outputs: list
) -> None:
    inputs = [helper.make_tensor_value_info(source, TensorProto.FLOAT, shape)]
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
