/** Activations of perceptrons, by the names that settings give them. */
import { gelu, mul, sigmoid, type Tensor } from "@unitune/core";

/** The name of an activation. */
export type Activation = "silu" | "gelu" | "gelu_pytorch_tanh";

/**
 * The activations by name: `silu` is `x / (1 + e^-x)` (arXiv 1702.03118), `gelu` is `x Phi(x)`, and
 * `gelu_pytorch_tanh` is the latter with GPT-2's approximation of Phi.
 */
export const activations: Readonly<Record<Activation, (x: Tensor) => Tensor>> = {
  silu: (x) => mul(x, sigmoid(x)),
  gelu: (x) => gelu(x, "erf"),
  gelu_pytorch_tanh: (x) => gelu(x, "tanh"),
};

/** Every name that Hugging Face has for an activation; `gelu_fast` rounds its constant to 10 digits. */
export const activationNames: Readonly<Record<string, Activation>> = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_new: "gelu_pytorch_tanh",
  gelu_fast: "gelu_pytorch_tanh",
  gelu_pytorch_tanh: "gelu_pytorch_tanh",
};
