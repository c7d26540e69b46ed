"""Figures: motions drawn as plates, one body in several successive poses, as on a single negative."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import cos, radians, sin

from markupsafe import Markup

from .poses import MOTIONS, Motion, Pose

Point = tuple[float, float]
Skeleton = dict[str, Point]
Bone = tuple[float, float]  # angle, length

_TORSO, _NECK, _UPPER_ARM, _FOREARM, _THIGH, _SHIN, _FOOT = 54, 21, 31, 29, 45, 43, 13
_HEAD = 12.5
_SHOULDER, _HIP = 15, 8  # distance from the spine, in a body that faces the camera

#: Each drawn part: its joints, its thickness, and whether it is on the far side. From back to front.
_PARTS: tuple[tuple[tuple[str, ...], float, bool], ...] = (
    (("far_shoulder", "far_elbow", "far_hand"), 8.5, True),
    (("far_hip", "far_knee", "far_ankle", "far_toe"), 11, True),
    (("far_shoulder", "near_shoulder"), 13, False),
    (("neck", "pelvis"), 20, False),
    (("near_hip", "near_knee", "near_ankle", "near_toe"), 12, False),
    (("near_shoulder", "near_elbow", "near_hand"), 9, False),
)
_TRACED = ("head", "near_hand", "near_ankle")
_WIDTH, _HEIGHT, _FLOOR, _MARGIN = 480, 284, 244, 100
_STEPS = 24  # drawings in one cycle of a moving figure
_FINER = 4  # traces are drawn through this many times as many moments as are shown
_NOTHING = Markup()


@lru_cache(maxsize=64)
def plate(slug: str, label: str, width: int = _WIDTH) -> Markup:
    """Return a small plate: the ghost poses, and one pose that stands out."""
    motion = MOTIONS[slug]
    bodies = _bodies(motion, motion.shown, width)
    return _svg(width, label, _floor(width) + _ghosts(bodies, motion.peak % motion.shown), motion.frontal)


@lru_cache(maxsize=64)
def large_plate(slug: str, label: str, frames: int, seconds: float = 0, width: int = 760) -> Markup:
    """Return a large plate, with frame numbers and the traces of some joints. It moves if ``seconds`` is not 0."""
    motion = MOTIONS[slug]
    count, peak = 2 * motion.shown - 1, 2 * (motion.peak % motion.shown)
    dense, bodies = _bodies(motion, _STEPS + 1, width), _bodies(motion, count, width)
    ground = _floor(width) + _numbers(_places(motion, count, width), frames)
    moving = _moving(dense, seconds) if seconds else _NOTHING
    return _svg(width, label, ground + _traces(dense) + _ghosts(bodies, peak) + moving, motion.frontal)


@lru_cache(maxsize=4)
def frieze(slugs: tuple[str, ...], label: str, width: int = 1240) -> Markup:
    """Return a wide plate on which one motion passes into the next. The peak of the last one stands out."""
    dense = _joined([MOTIONS[slug] for slug in slugs], width)
    bodies, last = dense[::_FINER], MOTIONS[slugs[-1]]
    peak = len(bodies) - last.shown + last.peak % last.shown
    return _svg(width, label, _floor(width) + _traces(dense) + _ghosts(bodies, peak), fit="xMaxYMid slice")


@lru_cache(maxsize=256)
def single(slug: str, moment: int, of: int) -> Markup:
    """Return one pose, for a strip of frames. It is hidden from screen readers."""
    motion = MOTIONS[slug]
    body = _standing(_sequence(motion, of)[moment], 105, motion.frontal)
    frame = Markup('<svg class="{}" viewBox="0 0 210 {}" aria-hidden="true">{}</svg>')
    return frame.format(_facing(motion.frontal), _HEIGHT, _floor(210) + _figure(body, "pose"))


def skeleton(pose: Pose, frontal: bool) -> Skeleton:
    """Return the positions of the joints, with the pelvis at the origin and y downwards."""
    neck = _from((0, 0), 180 - pose.lean, _TORSO)
    joints: Skeleton = {"pelvis": (0, 0), "neck": neck, "head": _from(neck, 180 - pose.lean - pose.nod, _NECK)}
    for side in ("near", "far"):
        sign = 0 if not frontal else 1 if side == "near" else -1
        joints |= _arm(pose, side, _from((neck[0], neck[1] + 3), 90 - pose.lean, sign * _SHOULDER))
        joints |= _leg(pose, side, sign)
    return {name: _turned(point, pose.turn) for name, point in joints.items()}


def _arm(pose: Pose, side: str, shoulder: Point) -> Skeleton:
    arm, elbow = getattr(pose, f"{side}_arm"), getattr(pose, f"{side}_elbow")
    bones = ((arm, _UPPER_ARM), (arm + elbow, _FOREARM))
    return _chain(shoulder, bones, side, ("shoulder", "elbow", "hand"))


def _leg(pose: Pose, side: str, sign: int) -> Skeleton:
    """Return a leg. Its foot points outwards in a body that faces the camera (``sign`` is not 0), otherwise forwards."""
    leg, knee = getattr(pose, f"{side}_leg"), getattr(pose, f"{side}_knee")
    shin = leg - knee
    toe = shin + sign * 62 if sign else shin * 0.6 + 88  # the ankle compensates for part of the shin's slant
    bones = ((leg, _THIGH), (shin, _SHIN), (toe, _FOOT))
    return _chain((sign * _HIP, 0), bones, side, ("hip", "knee", "ankle", "toe"))


def _from(start: Point, angle: float, length: float) -> Point:
    return start[0] + length * sin(radians(angle)), start[1] + length * cos(radians(angle))


def _chain(start: Point, bones: Iterable[Bone], side: str, names: Iterable[str]) -> Skeleton:
    """Return the joints along a chain of bones."""
    points = [start]
    for angle, length in bones:
        points.append(_from(points[-1], angle, length))
    return {f"{side}_{name}": point for name, point in zip(names, points, strict=True)}


def _turned(point: Point, degrees: float) -> Point:
    c, s = cos(radians(degrees)), sin(radians(degrees))
    return point[0] * c - point[1] * s, point[0] * s + point[1] * c


def _standing(pose: Pose, x: float, frontal: bool) -> Skeleton:
    """Return the skeleton at x, with its lowest joint on the floor, or above it by the pose's lift."""
    joints = skeleton(pose, frontal)
    down = _FLOOR - 6 - pose.lift - max(y for _, y in joints.values())
    return {name: (px + x, py + down) for name, (px, py) in joints.items()}


def _sequence(motion: Motion, count: int) -> list[Pose]:
    """Return this many poses, at equal distances in time, from the motion's beginning to its end."""
    last = len(motion.keys) if motion.loops else len(motion.keys) - 1
    return [_between(motion, last * n / (count - 1)) for n in range(count)]


def _between(motion: Motion, time: float) -> Pose:
    """Return the pose at a time counted in key poses, on a Catmull-Rom curve through all of them."""
    index = int(time)
    a, b, c, d = (_key(motion, index + n) for n in (-1, 0, 1, 2))
    t = time - index
    return Pose(*(_curve(*values, t) for values in zip(a, b, c, d, strict=True)))


def _key(motion: Motion, index: int) -> Pose:
    count = len(motion.keys)
    return motion.keys[index % count if motion.loops else min(max(index, 0), count - 1)]


def _curve(a: float, b: float, c: float, d: float, t: float) -> float:
    return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def _places(motion: Motion, count: int, width: int) -> list[float]:
    """Return the horizontal position of each pose on a plate of this width. The body moves evenly."""
    travel = motion.travel + width - _WIDTH  # the room for limbs at both ends is the same on every plate
    return [width / 2 + travel * (n / (count - 1) - 0.5) for n in range(count)]


def _bodies(motion: Motion, count: int, width: int) -> list[Skeleton]:
    return _placed(_sequence(motion, count), _places(motion, count, width), motion.frontal)


def _placed(poses: Iterable[Pose], places: Iterable[float], frontal: bool) -> list[Skeleton]:
    return [_standing(pose, x, frontal) for pose, x in zip(poses, places, strict=True)]


def _joined(motions: Iterable[Motion], width: int) -> list[Skeleton]:
    """Return the bodies of the motions, one after the other across the whole width, finely divided."""
    poses: list[Pose] = []
    for motion in motions:  # each begins where the one before it ended, so that position is drawn once
        poses[-1:] = _sequence(motion, (motion.shown - 1) * _FINER + 1)
    step = (width - 2 * _MARGIN) / (len(poses) - 1)
    return _placed(poses, (_MARGIN + step * n for n in range(len(poses))), frontal=False)


def _svg(width: int, label: str, drawn: Markup, frontal: bool = False, fit: str = "xMidYMid meet") -> Markup:
    start = Markup('<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="{}" role="img" aria-label="{}">')
    return start.format(_facing(frontal), width, _HEIGHT, fit, label) + drawn + Markup("</svg>")


def _facing(frontal: bool) -> str:
    return "front" if frontal else "side"


def _floor(width: int) -> Markup:
    ticks = "".join(f"M{x} {_FLOOR}v{8 if x % 60 == 0 else 4}" for x in range(20, width, 20))
    return Markup('<path class="floor" d="M0 {}H{}{}"/>').format(_FLOOR, width, ticks)


def _numbers(places: Sequence[float], frames: int) -> Markup:
    """Return the number of each shown frame, below the figure."""
    text = Markup('<text class="number" x="{:.0f}" y="{}" text-anchor="middle">{}</text>')
    last = len(places) - 1
    shown = ((x, 1 + round((frames - 1) * n / last)) for n, x in enumerate(places))
    return Markup().join(text.format(x, _FLOOR + 25, number) for x, number in shown)


def _ghosts(bodies: Sequence[Skeleton], peak: int) -> Markup:
    """Return every body, fainter the further it is from the peak. The peak is drawn in full, in front of the others."""
    count = len(bodies)
    drawn = [_figure(body, "pose", _strength(n, peak, count)) for n, body in enumerate(bodies) if n != peak]
    return Markup().join([*drawn, _figure(bodies[peak], "pose now")])


def _strength(n: int, peak: int, count: int) -> float:
    return 0.1 + 0.5 * (1 - abs(peak - n) / max(peak, count - 1 - peak))


def _figure(body: Skeleton, css_class: str, opacity: float = 1) -> Markup:
    parts = Markup().join(_part(_path(body, joints), thick, far) for joints, thick, far in _PARTS)
    head = Markup('<circle class="head" cx="{:.1f}" cy="{:.1f}" r="{}"/>').format(*body["head"], _HEAD)
    return Markup('<g class="{}" opacity="{:.2f}">{}{}</g>').format(css_class, opacity, parts, head)


def _part(path: str, thick: float, far: bool, inside: Markup = _NOTHING) -> Markup:
    shade = "limb far" if far else "limb"
    return Markup('<path class="{}" stroke-width="{}" d="{}">{}</path>').format(shade, thick, path, inside)


def _path(body: Skeleton, joints: Iterable[str]) -> str:
    return _line(body[name] for name in joints)


def _line(points: Iterable[Point]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _traces(bodies: Sequence[Skeleton]) -> Markup:
    """Return the paths of head, hand and foot through the whole motion."""
    paths = (_line(body[name] for body in bodies) for name in _TRACED)
    return Markup().join(Markup('<path class="trace" d="{}"/>').format(path) for path in paths)


def _moving(bodies: Sequence[Skeleton], seconds: float) -> Markup:
    """Return a figure that goes through the bodies in this many seconds, repeatedly."""
    parts = []
    for joints, thick, far in _PARTS:
        paths = [_path(body, joints) for body in bodies]
        parts.append(_part(paths[0], thick, far, _animate("d", paths, seconds)))
    xs, ys = ([f"{body['head'][axis]:.1f}" for body in bodies] for axis in (0, 1))
    motion = _animate("cx", xs, seconds) + _animate("cy", ys, seconds)
    head = Markup('<circle class="head" r="{}">{}</circle>').format(_HEAD, motion)
    return Markup('<g class="pose moving">{}{}</g>').format(Markup().join(parts), head)


def _animate(attribute: str, values: Sequence[str], seconds: float) -> Markup:
    animate = Markup('<animate attributeName="{}" dur="{}s" repeatCount="indefinite" values="{}"/>')
    return animate.format(attribute, seconds, ";".join(values))
