"use strict";
// G in the browser: the layers of a trained generator in inference, as minigan calculates them. Arrays are in NHWC order.

/**
 * Return the values of a tensor from its base64 text: little-endian float16 or float32, or whole numbers of 8 or 4 bits.
 * A whole number is multiplied by the scale of its column.
 */
function decodeTensor({ type, values, scale }) {
  const bytes = decodeBytes(values);
  if (type === "float32") return new Float32Array(bytes.buffer);
  if (type === "float16") return Float32Array.from(new Uint16Array(bytes.buffer), halfValue);
  const numbers = type === "int8" ? new Int8Array(bytes.buffer) : pairs(bytes);
  const scales = new Float32Array(decodeBytes(scale).buffer);
  return Float32Array.from(numbers, (number, i) => number * scales[i % scales.length]);
}

function decodeBytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Return the two numbers, from -8 to 7, of each byte: the first one is in the low half. */
function pairs(bytes) {
  const numbers = new Int8Array(2 * bytes.length);
  bytes.forEach((byte, i) => {
    numbers[2 * i] = (byte << 28) >> 28;
    numbers[2 * i + 1] = (byte << 24) >> 28;
  });
  return numbers;
}

/** Return the number that the 16 bits of an IEEE half mean. */
function halfValue(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 0) return sign * fraction * 2 ** -14;
  return sign * (1 + fraction) * 2 ** (exponent - 15);
}

/** y = activation(x·weight + bias); weight is (features in, features out). */
function linear(x, { weight, bias, outputs, slope }) {
  const y = bias ? Float64Array.from(bias) : new Float64Array(outputs);
  for (let i = 0; i < x.length; i++) {
    const value = x[i];
    if (value === 0) continue;
    const row = i * outputs;
    for (let j = 0; j < outputs; j++) y[j] += value * weight[row + j];
  }
  return leakyRelu(y, slope);
}

/**
 * Transposed convolution: each pixel of x adds its weighted filter to the output.
 * x is (height, width, channels), the weight (kernel height, kernel width, channels in, channels out).
 */
function convTranspose2d(x, layer) {
  const { weight, bias, input, kernel, output, stride, padding, slope } = layer;
  const [height, width, channels] = input;
  const [outHeight, outWidth, filters] = output;
  const y = new Float64Array(outHeight * outWidth * filters);
  if (bias) for (let i = 0; i < y.length; i++) y[i] = bias[i % filters];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const pixel = (row * width + column) * channels;
      for (let ky = 0; ky < kernel[0]; ky++) {
        const outRow = row * stride[0] + ky - padding[0];
        if (outRow < 0 || outRow >= outHeight) continue;
        for (let kx = 0; kx < kernel[1]; kx++) {
          const outColumn = column * stride[1] + kx - padding[1];
          if (outColumn < 0 || outColumn >= outWidth) continue;
          const target = (outRow * outWidth + outColumn) * filters;
          const filter = (ky * kernel[1] + kx) * channels * filters;
          for (let c = 0; c < channels; c++) {
            const value = x[pixel + c];
            if (value === 0) continue;
            const source = filter + c * filters;
            for (let f = 0; f < filters; f++) y[target + f] += value * weight[source + f];
          }
        }
      }
    }
  }
  return leakyRelu(y, slope);
}

/** y = activation(weight·(x − mean)/√(variance + eps) + bias), with the running statistics of each channel. */
function batchNorm(x, { weight, bias, mean, variance, eps, slope }) {
  const y = x.map((value, i) => {
    const c = i % mean.length;
    return (weight[c] * (value - mean[c])) / Math.sqrt(variance[c] + eps) + bias[c];
  });
  return leakyRelu(y, slope);
}

/** Multiply what is below 0 by the slope: 1 changes nothing, 0 is ReLU. */
function leakyRelu(x, slope) {
  return slope === 1 ? x : x.map((value) => (value < 0 ? slope * value : value));
}

const LAYERS = {
  linear,
  conv_transpose2d: convTranspose2d,
  batch_norm: batchNorm,
  sigmoid: (x) => x.map((value) => 1 / (1 + Math.exp(-value))),
  tanh: (x) => x.map(Math.tanh),
};

/** Return the layers with their tensors decoded. */
function decodeLayers(layers) {
  return layers.map((layer) =>
    Object.fromEntries(Object.entries(layer).map(([name, value]) =>
      [name, value?.type ? decodeTensor(value) : value])));
}

/** Return G's input for noise and codes: a category is one-hot. */
function encodeLatents(model, noise, codes) {
  const encoded = model.codes.flatMap((code, i) => {
    if (code.kind === "continuous") return [codes[i]];
    return Array.from({ length: code.size }, (_, category) => Number(category === codes[i]));
  });
  return Float64Array.from([...noise, ...encoded]);
}

/** Return G's image of the latents: values from the lowest to 1, (height, width, channels). */
function generate(layers, latents) {
  return layers.reduce((x, layer) => LAYERS[layer.kind](x, layer), latents);
}

/** Return bytes for an image whose values go from `low` to 1. */
function toBytes(image, low) {
  return Uint8Array.from(image, (value) =>
    Math.round(255 * Math.min(Math.max((value - low) / (1 - low), 0), 1)));
}
