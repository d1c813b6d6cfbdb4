"""What the networks are given of a picture: how light and colour differ from what is around.

Only neighbourhoods are compared, so that a picture and a piece of it give the same numbers but for their edges.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

WIDE, NEAR = 81, 25  # px: sides of the neighbourhoods
CHANNELS = 3
WINDOW_CHANNELS = CHANNELS + 2
# Of `evened`: how many times the mean a histogram may hold of one tone; tiles a side at most, and px of one at least.
_LIMIT, _TILES, _TILE = 2.0, 8, 64


def evened(picture: np.ndarray) -> np.ndarray:
    """``picture`` (H, W, 3) or (H, W) uint8 with contrast more alike everywhere, each channel by itself: adaptive
    histogram equalisation with a limit (CLAHE; Zuiderveld, Graphics Gems IV, 1994). What is faint stands out in it."""
    across, down = (int(np.clip(side // _TILE, 1, _TILES)) for side in picture.shape[1::-1])
    even = cv2.createCLAHE(_LIMIT, (across, down))
    return cv2.merge([even.apply(channel) for channel in cv2.split(picture)])


def channels(picture: np.ndarray) -> np.ndarray:
    """(3, H, W) float32 of ``picture`` (H, W, 3) or (H, W) uint8.

    Light less its mean and over its deviation in the wide and in the near neighbourhood; then the same of colour in the
    near one, along the axis on which the picture's colours differ most (0 in a picture of greys).
    """
    if picture.ndim == 2:
        grey = picture.astype(np.float32)
        return np.stack([_standardised(grey, WIDE, 6.0), _standardised(grey, NEAR, 3.0), np.zeros_like(grey)])
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    red, green, blue = (c.astype(np.float32) for c in cv2.split(picture))
    one, other = red - green, 0.5 * (red + green) - blue
    one, other = one - cv2.blur(one, (NEAR, NEAR)), other - cv2.blur(other, (NEAR, NEAR))
    a, b, c = float((one * one).mean()), float((one * other).mean()), float((other * other).mean())
    turn = 0.5 * math.atan2(2 * b, a - c)  # of the first principal axis
    colour = math.cos(turn) * one + math.sin(turn) * other
    return np.stack([_standardised(grey, WIDE, 6.0), _standardised(grey, NEAR, 3.0), _standardised(colour, NEAR, 6.0)])


def window_channels(window: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """(5, H, W) float32 of a ``window`` (H, W, 3) or (H, W) uint8 round ``box`` (x, y, width, height): `channels`,
    the light less its mean and over its deviation in the whole window, and which pixels lie in the box."""
    light = window.astype(np.float32)
    light = light.mean(axis=2) if light.ndim == 3 else light
    inside = np.zeros(light.shape, np.float32)
    x, y, w, h = box
    inside[max(0, round(y)) : max(0, round(y + h)), max(0, round(x)) : max(0, round(x + w))] = 1
    return np.concatenate([channels(window), ((light - light.mean()) / (light.std() + 6))[None], inside[None]])


def _standardised(values: np.ndarray, around: int, least: float) -> np.ndarray:
    mean = cv2.blur(values, (around, around))
    variance = cv2.blur(values * values, (around, around)) - mean * mean
    return (values - mean) / (np.sqrt(np.maximum(variance, 0)) + least)
