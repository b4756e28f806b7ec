"""The cochlear networks as functions of their weights, and the published cutting, one clip at a time."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import batch_norm, conv2d, max_pool2d, pad, relu

from tests.features.slow_cochleagram import slow_cochleagram_1


def norm(x, w, name):
    return batch_norm(
        x, w[f"{name}.running_mean"], w[f"{name}.running_var"], w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-5
    )


def padded(x, kernel, stride, value=0.0):
    """Pad frequency, then time, by the formula of TensorFlow."""
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True)):
        n = x.shape[2 + axis]
        total = max((-(-n // s) - 1) * s + k - n, 0)
        sides = (total // 2, total - total // 2)
        x = pad(x, (0, 0, *sides) if axis == 0 else sides, value=value)
    return x


def same(x, weight, stride):
    return conv2d(padded(x, weight.shape[2:], stride), weight, stride=stride)


def slow_cnn9(cochleagram, w):
    """Every layer with a time of CochCNN9, given a cochleagram (1, 1, 211, 390)."""
    out = {"model.0": cochleagram}

    def pool(x):
        return max_pool2d(padded(x, (2, 5), (2, 2), -torch.inf), (2, 5), (2, 2))

    x = norm(cochleagram, w, "batchnorm0")
    out["model.1.relu0"] = x = relu(same(x, w["conv0.weight"], (3, 3)))
    out["model.1.maxpool0"] = x = pool(x)
    out["model.1.relu1"] = x = relu(same(norm(x, w, "batchnorm1"), w["conv1.weight"], (2, 2)))
    out["model.1.maxpool1"] = x = pool(x)
    out["model.1.relu2"] = x = relu(same(norm(x, w, "batchnorm2"), w["conv2.weight"], (1, 1)))
    out["model.1.relu3"] = x = relu(same(x, w["conv3.weight"], (1, 1)))
    out["model.1.relu4"] = x = relu(same(x, w["conv4.weight"], (1, 1)))
    tenth = torch.full((512, 1, 2, 5), 0.1, dtype=x.dtype)
    out["model.1.avgpool"] = conv2d(padded(x, (2, 5), (2, 2)), tenth, stride=2, groups=512)
    return out


def slow_resnet50(cochleagram, w):
    """Every layer with a time of CochResNet50, given a cochleagram (1, 1, 211, 390)."""
    x = relu(norm(conv2d(cochleagram, w["conv1.weight"], stride=2, padding=3), w, "bn1"))
    out = {"model.0": cochleagram, "model.1.relu": x}
    out["model.1.maxpool"] = x = max_pool2d(x, 3, 2, 1)
    for stage, n_blocks in enumerate((3, 4, 6, 3), start=1):
        for k in range(n_blocks):
            block, step = f"layer{stage}.{k}", 2 if stage > 1 and k == 0 else 1
            y = relu(norm(conv2d(x, w[f"{block}.conv1.weight"]), w, f"{block}.bn1"))
            y = relu(norm(conv2d(y, w[f"{block}.conv2.weight"], stride=step, padding=1), w, f"{block}.bn2"))
            y = norm(conv2d(y, w[f"{block}.conv3.weight"]), w, f"{block}.bn3")
            if k == 0:
                x = norm(conv2d(x, w[f"{block}.downsample.0.weight"], stride=step), w, f"{block}.downsample.1")
            x = relu(x + y)
        out[f"model.1.layer{stage}"] = x
    return out


def slow_clips(sound, context):
    """Cut a sound at 20 kHz, without its lead-in, as published: pieces of 33000 samples with what came before."""
    clips, start = [], 0
    while True:
        before = np.zeros(context) if start == 0 else sound[start - context : start]
        clips.append(np.concatenate([before, sound[start : start + 40_000 - context]]))
        start += 40_000 - context
        if start >= len(sound):
            return clips


def slow_features(sound, network, rates):
    """Frames of each layer of a sound without its lead-in, one clip after the other; at most 2000 features."""
    found = {name: [] for name in rates}
    for k, clip in enumerate(slow_clips(sound, 7000)):
        missing = 40_000 - len(clip)
        outputs = network(np.pad(clip, (0, missing)))
        for name, rate in rates.items():
            frames = outputs[name]
            last = len(frames) - int(missing * rate / 20_000)
            first = 0 if k == 0 else int(7000 * rate / 20_000)
            found[name].append(frames[first:last])
    return {name: np.concatenate(frames) for name, frames in found.items()}


def slow_layers(clip, network):
    """Frames and first 2000 features, channel by channel, of one clip; the network takes a cochleagram."""
    cochleagram = torch.from_numpy(slow_cochleagram_1(np.clip(clip, -1, 1))[1])[None, None]
    outputs = network(cochleagram)
    return {name: x[0].reshape(-1, x.shape[-1]).T[:, :2000].numpy() for name, x in outputs.items()}
