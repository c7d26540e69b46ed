"""Poses: how a body stands at one moment, and the key poses of every motion in the catalogue.

All angles are in degrees. A limb's angle counts from straight down, towards the direction of travel. An elbow bends the
forearm in that direction, and a knee bends the shin against it.
"""

from __future__ import annotations

from typing import NamedTuple


class Pose(NamedTuple):
    """One moment of a motion. By default every limb hangs straight, and the body stands on the ground."""

    near_arm: float = 0
    near_elbow: float = 0
    far_arm: float = 0
    far_elbow: float = 0
    near_leg: float = 0
    near_knee: float = 0
    far_leg: float = 0
    far_knee: float = 0
    lean: float = 0
    nod: float = 0
    lift: float = 0  # height of the lowest point above the ground
    turn: float = 0  # of the whole body, clockwise


class Motion(NamedTuple):
    """Key poses at equal distances in time, and how the camera sees them."""

    keys: tuple[Pose, ...]
    loops: bool = True  # whether the last key pose leads back to the first
    frontal: bool = False  # whether the body faces the camera
    travel: float = 310  # distance that the body moves across a small plate
    shown: int = 7  # number of moments that a small plate shows
    peak: int = -1  # index of the moment that stands out


def _mirrored(half: tuple[Pose, ...]) -> tuple[Pose, ...]:
    """Return a whole stride from half of one. The second half is the first with the sides exchanged."""
    return half + tuple(
        pose._replace(
            near_arm=pose.far_arm, near_elbow=pose.far_elbow, near_leg=pose.far_leg, near_knee=pose.far_knee,
            far_arm=pose.near_arm, far_elbow=pose.near_elbow, far_leg=pose.near_leg, far_knee=pose.near_knee,
        )
        for pose in half
    )  # fmt: skip


_WALK = _mirrored((
    Pose(-24, 8, 24, 22, 25, 4, -24, 10, lean=3),
    Pose(-17, 10, 16, 20, 15, 13, -20, 42, lean=4),
    Pose(-2, 12, 1, 14, 2, 5, 8, 58, lean=3),
    Pose(15, 18, -14, 10, -12, 4, 27, 30, lean=3),
))  # fmt: skip

_RUN = _mirrored((
    Pose(-42, 82, 34, 88, 34, 22, -32, 62, lean=13),
    Pose(-30, 84, 20, 86, 14, 36, -4, 112, lean=14),
    Pose(6, 86, -14, 88, -16, 12, 36, 104, lean=14),
    Pose(32, 88, -38, 84, -36, 14, 62, 84, lean=12, lift=13),
))  # fmt: skip

_SNEAK = _mirrored((
    Pose(34, 88, 14, 96, 46, 52, -18, 62, lean=34, nod=-24),
    Pose(28, 92, 22, 90, 34, 64, 2, 104, lean=38, nod=-26),
    Pose(20, 96, 30, 84, 16, 58, 50, 116, lean=36, nod=-22),
    Pose(14, 98, 36, 86, -2, 52, 66, 82, lean=32, nod=-20),
))  # fmt: skip

_MARCH = _mirrored((
    Pose(-36, 4, 44, 6, 18, 0, -16, 6, lean=-2),
    Pose(-22, 4, 26, 6, 8, 0, 30, 76, lean=-2),
    Pose(8, 4, -4, 4, -2, 0, 78, 84, lean=-3),
    Pose(34, 6, -30, 4, -10, 0, 52, 24, lean=-2),
))  # fmt: skip

_TRUDGE = _mirrored((
    Pose(4, 8, 20, 12, 18, 10, -16, 18, lean=22, nod=30),
    Pose(8, 8, 17, 12, 12, 18, -12, 40, lean=24, nod=32),
    Pose(13, 10, 12, 10, 2, 14, 6, 44, lean=22, nod=34),
    Pose(18, 12, 8, 8, -8, 12, 20, 26, lean=20, nod=32),
))  # fmt: skip

_JUMP = (
    Pose(4, 8, -4, 8, 2, 4, -2, 4),
    Pose(-58, 10, -66, 10, 62, 104, 58, 106, lean=44, nod=-22),
    Pose(70, 20, 60, 24, -8, 10, -16, 14, lean=14, lift=6),
    Pose(134, 14, 124, 18, 34, 74, 10, 92, lean=8, lift=50),
    Pose(96, 18, 84, 20, 58, 46, 44, 60, lean=16, lift=28),
    Pose(46, 26, 34, 26, 58, 92, 52, 96, lean=34, nod=-16),
    Pose(4, 8, -4, 8, 2, 4, -2, 4),
)

_KICK = (
    Pose(24, 92, 40, 88, -12, 10, 16, 12, lean=4),
    Pose(34, 96, 20, 90, -30, 58, 14, 22, lean=6),
    Pose(30, 84, -10, 72, 62, 108, 4, 16, lean=-8),
    Pose(-28, 34, 44, 60, 100, 8, -6, 8, lean=-26, nod=16),
    Pose(6, 70, 20, 76, 70, 78, 2, 14, lean=-10),
    Pose(26, 90, 36, 88, 20, 14, -12, 12, lean=4),
)

_THROW = (
    Pose(10, 40, 20, 50, 4, 4, -6, 6),
    Pose(-50, 60, 62, 30, 4, 8, 24, 46, lean=-10, nod=6),
    Pose(-104, 52, 82, 16, -8, 28, 58, 66, lean=-22, nod=18),
    Pose(-150, 62, 58, 44, -22, 26, 38, 10, lean=-2),
    Pose(118, 24, -12, 60, -34, 26, 30, 24, lean=20),
    Pose(44, 14, -34, 52, -44, 34, 28, 34, lean=38, nod=-22),
)

_BOW = (
    Pose(2, 8, -2, 8, 2, 2, -3, 2),
    Pose(16, 26, -20, 10, 4, 4, -5, 3, lean=14, nod=8),
    Pose(28, 88, -52, 8, 8, 12, -8, 6, lean=46, nod=16),
    Pose(30, 96, -78, 6, 14, 16, -8, 8, lean=70, nod=18),
    Pose(26, 80, -48, 8, 8, 10, -7, 6, lean=42, nod=12),
    Pose(2, 8, -2, 8, 2, 2, -3, 2),
)

_WAVE = (
    Pose(24, 16, -14, -10, 9, 4, -9, -4),
    Pose(96, 30, -16, -12, 9, 4, -9, -4, lean=-2),
    Pose(132, 64, -18, -14, 9, 4, -9, -4, lean=-5, nod=4),
    Pose(128, 22, -18, -14, 9, 4, -9, -4, lean=-4, nod=6),
    Pose(134, 66, -18, -14, 9, 4, -9, -4, lean=-5, nod=4),
    Pose(128, 22, -18, -14, 9, 4, -9, -4, lean=-4, nod=6),
    Pose(70, 26, -15, -11, 9, 4, -9, -4, lean=-1),
)

_CARTWHEEL = (
    Pose(118, 20, -150, -10, 16, 4, -20, -4, turn=4),
    Pose(158, 4, -154, -4, 34, 12, -44, -2, turn=54),
    Pose(162, 2, -162, -2, 46, 2, -52, -2, turn=118),
    Pose(164, 2, -164, -2, 52, 2, -52, -2, turn=180),
    Pose(162, 2, -162, -2, 52, 2, -46, -2, turn=242),
    Pose(154, 4, -158, -4, 44, 2, -34, -12, turn=306),
    Pose(150, 10, -118, -20, 20, 4, -16, -4, turn=356),
)

_SWAY = (
    Pose(58, 66, -34, -58, 22, 6, -12, -26, lean=9, nod=-6),
    Pose(100, 84, -70, -66, 14, 12, -14, -12, lean=2, nod=0),
    Pose(128, 44, -96, -88, 10, 26, -24, -4, lean=-9, nod=6),
    Pose(70, 88, -128, -46, 12, 30, -22, -6, lean=-10, nod=6),
    Pose(38, 62, -104, -82, 14, 14, -14, -14, lean=-1, nod=0),
    Pose(30, 56, -60, -70, 24, 4, -12, -30, lean=10, nod=-6),
)

MOTIONS = {
    "walk": Motion(_WALK),
    "run": Motion(_RUN, travel=300),
    "jump": Motion(_JUMP, loops=False, travel=320, peak=3),
    "cartwheel": Motion(_CARTWHEEL, loops=False, frontal=True, travel=290, peak=3),
    "wave": Motion(_WAVE, frontal=True, travel=324, shown=8, peak=4),
    "sneak": Motion(_SNEAK, travel=290),
    "throw": Motion(_THROW, loops=False, travel=290, shown=6, peak=4),
    "kick": Motion(_KICK, loops=False, shown=6, peak=3),
    "march": Motion(_MARCH, travel=330, shown=9, peak=6),
    "sway": Motion(_SWAY, frontal=True, travel=284, peak=3),
    "bow": Motion(_BOW, loops=False, shown=6, peak=3),
    "trudge": Motion(_TRUDGE),
}
