"""The catalogue: the animations for sale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FRAME_RATE = 30

KINDS = {"travel": "Getting there", "action": "Action", "gesture": "Gesture"}
MOODS = {"calm": "Calm", "lively": "Lively", "tense": "Tense", "weary": "Weary"}

#: The animations on the front page.
ON_FRONT = ("walk", "cartwheel", "kick", "sneak", "wave", "jump")


@dataclass(frozen=True)
class Animation:
    """An animation for sale."""

    slug: str
    name: str
    kind: str
    mood: str
    frames: int
    price: int  # in euros
    tags: tuple[str, ...]
    summary: str
    description: str
    picture: str  # a description of its plate, for users who cannot see it

    @property
    def seconds(self) -> float:
        """The duration."""
        return round(self.frames / FRAME_RATE, 2)

    @property
    def loops(self) -> bool:
        """Whether the last frame leads back to the first."""
        return "loop" in self.tags


ANIMATIONS = (
    Animation(
        "walk", "Walk", "travel", "calm", 36, 12, ("loop", "locomotion", "everyday"),
        "An unhurried walk that suits nearly everybody.",
        "A whole stride on each side, heel first, with loose arms and a steady head. The hips rise and "
        "fall by a few centimetres, enough to give weight without a swagger. It is the clip to start a "
        "character with.",
        "A figure walks from left to right in successive poses, the arms swinging against the legs.",
    ),
    Animation(
        "run", "Run", "travel", "lively", 24, 14, ("loop", "locomotion", "sport"),
        "A fast, even run with a clear moment in the air.",
        "The trunk leans into the run, elbows stay bent, and both feet leave the ground twice in each "
        "loop. The stride is long and regular, so it can be slowed to a jog or pushed to a sprint before "
        "it looks wrong.",
        "A figure runs from left to right, leaning forwards, knees high and elbows bent.",
    ),
    Animation(
        "jump", "Jump", "action", "lively", 54, 16, ("one-shot", "sport", "platform"),
        "A deep crouch, a high leap, a soft landing.",
        "Everything a jump needs in one clip: the crouch that gathers strength, the stretch, the tuck at "
        "the top, and knees that take up the landing. Markers at take-off and touch-down make it easy to "
        "cut in three.",
        "A figure crouches, leaps with raised arms and tucked legs, and lands in a crouch again.",
    ),
    Animation(
        "cartwheel", "Cartwheel", "action", "lively", 60, 22, ("one-shot", "acrobatics"),
        "Hand, hand, foot, foot: one clean turn.",
        "Seen from the front, with straight arms and legs wide apart. Hands and feet touch down one after "
        "the other on a single line, and the last step comes to rest in a standing pose that blends into "
        "any idle.",
        "A figure turns a cartwheel; in the middle of the plate it stands upside down on both hands.",
    ),
    Animation(
        "wave", "Wave", "gesture", "lively", 66, 9, ("loop", "greeting", "everyday"),
        "A friendly wave that can be seen from afar.",
        "One arm goes up, the forearm swings twice, the shoulder follows a little and the head tilts. The "
        "other arm and the legs keep still, so it can be layered over a standing or sitting body.",
        "A figure that faces us raises one arm and waves, then lowers it.",
    ),
    Animation(
        "sneak", "Sneak", "travel", "tense", 48, 15, ("loop", "locomotion", "stealth"),
        "Low, slow, and ready to stop at any moment.",
        "Bent knees, a flat back, and feet that feel for the ground before they carry weight. The hands "
        "are held in front of the chest. Each step has a short hold in it, where the character listens.",
        "A crouching figure creeps from left to right with bent arms and lifted knees.",
    ),
    Animation(
        "throw", "Throw", "action", "tense", 45, 14, ("one-shot", "sport"),
        "A long overarm throw with the whole body behind it.",
        "It begins in the back foot, passes through the hips and leaves by the hand. A marker names the "
        "frame of release; from there the arm follows through and the trunk folds over the front leg.",
        "A figure draws back one arm, steps forwards, throws and bends over the front leg.",
    ),
    Animation(
        "kick", "Kick", "action", "tense", 42, 14, ("one-shot", "combat", "sport"),
        "A straight front kick, quick out and quick back.",
        "The knee comes up first, then the leg snaps straight at the height of the belt while the trunk "
        "leans away. The guard stays up throughout, and the foot returns to where it started.",
        "A figure lifts one knee, stretches the leg straight forwards and sets it down again.",
    ),
    Animation(
        "march", "March", "travel", "calm", 32, 11, ("loop", "locomotion", "parade"),
        "Straight arms, high knees, sixteen frames a step.",
        "A parade march with a flat beat: every foot lands exactly on the sixteenth frame, so a whole "
        "column stays in step without any adjusting. The head does not move at all.",
        "An upright figure marches from left to right with straight arms and high knees.",
    ),
    Animation(
        "sway", "Sway", "gesture", "lively", 64, 18, ("loop", "dance", "crowd"),
        "A small dance for people who say they do not dance.",
        "The weight goes from one foot to the other, the arms follow half a beat later. It is small "
        "enough for a crowd in the background, and four copies that start at different frames do not look "
        "alike.",
        "A figure that faces us sways from side to side with bent, swinging arms.",
    ),
    Animation(
        "bow", "Bow", "gesture", "calm", 75, 10, ("one-shot", "greeting", "stage"),
        "From the hips, one arm behind the back.",
        "A stage bow that takes its time: down in a second, a hold at the lowest point, and up again a "
        "little slower. The hold can be stretched for as long as the applause lasts.",
        "A figure bows deeply from the hips, one arm swept behind, and straightens up again.",
    ),
    Animation(
        "trudge", "Trudge", "travel", "weary", 52, 12, ("loop", "locomotion", "sad"),
        "The last kilometre of a very long day.",
        "Head down, shoulders forward, feet that hardly clear the ground. The arms hang and swing late. "
        "The two steps are not equally long, which is what makes it look tired and not merely slow.",
        "A figure with a bent back and hanging head drags itself from left to right.",
    ),
)  # fmt: skip

_BY_SLUG = {animation.slug: animation for animation in ANIMATIONS}


def find(slug: str) -> Animation | None:
    """Return the animation with this slug, or None."""
    return _BY_SLUG.get(slug)


def find_all(slugs: Iterable[str]) -> list[Animation]:
    """Return the animations with these slugs, in the same order."""
    return [_BY_SLUG[slug] for slug in slugs]


def matching(kind: str | None, mood: str | None) -> list[Animation]:
    """Return the animations of this kind and mood. An unknown kind or mood does not filter."""
    kinds = {kind} & KINDS.keys() or KINDS.keys()
    moods = {mood} & MOODS.keys() or MOODS.keys()
    return [animation for animation in ANIMATIONS if animation.kind in kinds and animation.mood in moods]


def related(to: Animation) -> list[Animation]:
    """Return three other animations, those of the same kind or mood first."""
    others = [animation for animation in ANIMATIONS if animation is not to]
    others.sort(key=lambda other: (other.kind == to.kind) + (other.mood == to.mood), reverse=True)
    return others[:3]
