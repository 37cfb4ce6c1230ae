"""SmolLM2-135M's shape with random weights as ONNX, for transformers.js: q4 and q8 (transformers.js's names for its file formats).

    python make_onnx.py FOLDER      -> FOLDER/config.json, FOLDER/onnx/model_q4.onnx, FOLDER/onnx/model_quantized.onnx

The graph is the one that ONNX Runtime's own model builder writes for Llama: fused attention with rotation and cache, fused norms. q4 is
MatMulNBits with blocks of 32 and int8 activations (accuracy level 4, the fastest); q8 is DynamicQuantizeMatMul, one scale a matrix, to
which ONNX Runtime fuses what its dynamic quantiser writes. The embedding is f32. Speed does not depend on the values of weights.
"""

import json
import os
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCAB, CONTEXT = 576, 1536, 30, 9, 3, 49152, 8192
HEAD_DIM = DIM // HEADS
BLOCK = 32
EPSILON = 1e-5
THETA = 100_000.0
MS = "com.microsoft"


class Graph:
    def __init__(self, kind):
        self.kind = kind
        self.nodes, self.weights = [], []
        self.random = np.random.default_rng(1)

    def constant(self, name, array):
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op, inputs, outputs, domain="", **attributes):
        self.nodes.append(helper.make_node(op, inputs, outputs, domain=domain, **attributes))
        return outputs[0]

    def norm(self, name):
        return self.constant(name, np.ones(DIM, np.float32))

    def linear(self, name, x, rows, columns):
        """x [.., columns] times a random matrix [rows, columns], transposed."""
        size = 1 / np.sqrt(columns)
        if self.kind == "q4":
            quants = self.random.integers(0, 256, (rows, columns // BLOCK, BLOCK // 2), np.uint8)
            sign = self.random.choice([-1.0, 1.0], rows * columns // BLOCK)
            inputs = [x, self.constant(f"{name}.q", quants)]
            inputs.append(self.constant(f"{name}.s", (sign * size / 4.6).astype(np.float32)))
            return self.node("MatMulNBits", inputs, [f"{name}.y"], MS, K=columns, N=rows,
                             bits=4, block_size=BLOCK, accuracy_level=4)
        quants = self.random.integers(-127, 128, (columns, rows), np.int8)
        inputs = [x, self.constant(f"{name}.q", quants)]
        inputs.append(self.constant(f"{name}.s", np.float32(size / 73)))
        inputs.append(self.constant(f"{name}.z", np.int8(0)))
        return self.node("DynamicQuantizeMatMul", inputs, [f"{name}.y"], MS)


def build(kind):
    g = Graph(kind)
    one, axis = g.constant("one", np.array([1], np.int64)), g.constant("axis", np.int64(1))
    g.node("ReduceSum", ["attention_mask", one], ["length"], keepdims=0)
    g.node("Sub", ["length", one], ["length.last"])
    g.node("Cast", ["length.last"], ["seqlens"], to=TensorProto.INT32)
    g.node("Shape", ["attention_mask"], ["mask.shape"])
    g.node("Gather", ["mask.shape", axis], ["total64"], axis=0)
    g.node("Cast", ["total64"], ["total"], to=TensorProto.INT32)
    angles = np.outer(np.arange(CONTEXT), THETA ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM))
    cos = g.constant("cos", np.cos(angles).astype(np.float32))
    sin = g.constant("sin", np.sin(angles).astype(np.float32))
    embedding = g.random.standard_normal((VOCAB, DIM), np.float32)
    x = g.node("Gather", [g.constant("embed", embedding), "input_ids"], ["x"])
    h = g.node("SimplifiedLayerNormalization", [x, g.norm("norm.0")], ["h"], epsilon=EPSILON, axis=-1)
    for i in range(LAYERS):
        p = f"layer{i}"
        q, k, v = (g.linear(f"{p}.{n}", h, rows, DIM)
                   for n, rows in (("q", DIM), ("k", KV_HEADS * HEAD_DIM), ("v", KV_HEADS * HEAD_DIM)))
        past = [f"past_key_values.{i}.{n}" for n in ("key", "value")]
        present = [f"present.{i}.{n}" for n in ("key", "value")]
        a = g.node("GroupQueryAttention", [q, k, v, *past, "seqlens", "total", cos, sin],
                   [f"{p}.a", *present], MS, num_heads=HEADS, kv_num_heads=KV_HEADS, do_rotary=1)
        o = g.linear(f"{p}.o", a, DIM, DIM)
        skip = "SkipSimplifiedLayerNormalization"
        h = g.node(skip, [x, o, g.norm(f"{p}.n1")], [f"{p}.h1", "", "", f"{p}.x1"], MS, epsilon=EPSILON)
        x = f"{p}.x1"
        gate, up = (g.linear(f"{p}.{n}", h, HIDDEN, DIM) for n in ("gate", "up"))
        g.node("Sigmoid", [gate], [f"{p}.sig"])
        g.node("Mul", [gate, f"{p}.sig"], [f"{p}.silu"])
        down = g.linear(f"{p}.down", g.node("Mul", [f"{p}.silu", up], [f"{p}.m"]), DIM, HIDDEN)
        h = g.node(skip, [x, down, g.norm(f"{p}.n2")], [f"{p}.h2", "", "", f"{p}.x2"], MS, epsilon=EPSILON)
        x = f"{p}.x2"
    # Of a prompt only the last row's logits are wanted; transformers.js asks for that where a model lets it.
    g.node("Reshape", ["num_logits_to_keep", one], ["kept"])
    g.node("Neg", ["kept"], ["kept.from"])
    end = g.constant("end", np.array([2**62], np.int64))
    h = g.node("Slice", [h, "kept.from", end, one], ["h.kept"])
    g.node("Identity", [g.linear("head", h, VOCAB, DIM)], ["logits"])

    def value(name, shape, kind=TensorProto.FLOAT):
        return helper.make_tensor_value_info(name, kind, shape)

    inputs = [value("input_ids", ["batch_size", "s"], TensorProto.INT64),
              value("attention_mask", ["batch_size", "t"], TensorProto.INT64),
              value("num_logits_to_keep", [], TensorProto.INT64)]
    outputs = [value("logits", ["batch_size", "kept", VOCAB])]
    for i in range(LAYERS):
        for n in ("key", "value"):
            inputs.append(value(f"past_key_values.{i}.{n}", ["batch_size", KV_HEADS, "p", HEAD_DIM]))
            outputs.append(value(f"present.{i}.{n}", ["batch_size", KV_HEADS, "t", HEAD_DIM]))
    graph = helper.make_graph(g.nodes, "smollm2-shape", inputs, outputs, g.weights)
    imports = [helper.make_opsetid("", 21), helper.make_opsetid(MS, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


folder = sys.argv[1]
os.makedirs(os.path.join(folder, "onnx"), exist_ok=True)
for kind, name in (("q4", "model_q4.onnx"), ("q8", "model_quantized.onnx")):
    save(build(kind), os.path.join(folder, "onnx", name))
config = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": DIM, "head_dim": HEAD_DIM,
    "intermediate_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS, "vocab_size": VOCAB, "max_position_embeddings": CONTEXT,
}
# The configuration comes last: with it the model is complete.
with open(os.path.join(folder, "config.json"), "w") as out:
    json.dump(config, out)
