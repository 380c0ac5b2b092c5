"""FCPXML: Apple's rules, an independent reader, other people's projects, and hostile XML.

Apple's DTD is not in any package and may not be copied here, so its rules for the elements we
write stand in RULES, in our own notation.
"""

import re
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

import opentimelineio as otio
import pytest

from filmforge.errors import BadInput
from filmforge.interchange import markup
from filmforge.interchange.fcpxml import fcpxml_of
from filmforge.interchange.fcpxml_read import read_fcpxml
from filmforge.interchange.markup import read_markup
from filmforge.interchange.recut import Mark, Passage, Shown
from tests.interchange.test_round_trip import OPENING, PARTS, RATES, SOUNDS
from tests.interchange.timelines import (
    FILM_24,
    NTSC_24,
    Part,
    Sound,
    digest_of,
    recut_of_spec,
)

# Of each element: what it may hold, in this order, then the attributes it must and may have.
RULES: dict[str, tuple[str, str, str]] = {
    "fcpxml": ("resources library", "version", ""),
    "resources": ("(asset|effect|format)*", "", ""),
    "library": ("event*", "", "location colorProcessing"),
    "event": ("project*", "", "name uid"),
    "project": ("sequence", "", "name uid id modDate"),
    "format": ("", "id", "name frameDuration width height colorSpace"),
    "effect": ("", "id uid", "name src"),
    "asset": (
        "media-rep+ metadata?",
        "id",
        "name uid start duration hasVideo format hasAudio videoSources audioSources audioChannels "
        "audioRate",
    ),
    "media-rep": ("", "src", "kind sig suggestedFilename"),
    "sequence": (
        "note? spine metadata?",
        "format",
        "duration tcStart tcFormat audioLayout audioRate",
    ),
    "spine": ("(asset-clip|gap|transition)*", "", "lane offset name format"),
    "asset-clip": (
        "note? adjust-volume? asset-clip* marker* metadata?",
        "ref",
        "lane offset name start duration enabled srcEnable format tcStart tcFormat audioRole "
        "videoRole",
    ),
    "gap": ("note? asset-clip* marker* metadata?", "duration", "name offset start enabled"),
    "transition": ("filter-video? marker* metadata?", "duration", "name offset"),
    "filter-video": ("param*", "ref", "name enabled"),
    "param": ("", "name", "key value enabled"),
    "adjust-volume": ("", "", "amount"),
    "marker": ("", "start value", "duration completed note"),
    "metadata": ("md*", "", ""),
    "md": ("", "key", "value type"),
}
CHOICES = {
    "tcFormat": {"DF", "NDF"},
    "audioLayout": {"mono", "stereo", "surround"},
    "audioRate": {"48k", "48000"},
    "srcEnable": {"all", "audio", "video"},
    "kind": {"original-media", "proxy-media"},
    "type": {"string"},
}
TIMES = ("offset", "start", "duration", "tcStart", "frameDuration")


def _pattern(content: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"[a-z-]+", lambda name: f"(?:{name[0]},)", content).replace(" ", ""))


@pytest.mark.parametrize("fps", RATES)
def test_the_document_keeps_to_the_rules_of_apple_s_dtd(fps: Fraction) -> None:
    data = fcpxml_of(recut_of_spec(PARTS, SOUNDS, fps, True, OPENING))
    assert data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n<fcpxml ')
    root = ElementTree.fromstring(data)
    ids = [item.get("id") for item in root.iter() if item.get("id")]
    assert len(ids) == len(set(ids))
    for item in root.iter():
        content, required, optional = RULES[item.tag]
        assert _pattern(content).fullmatch("".join(child.tag + "," for child in item)), item.tag
        assert set(required.split()) <= set(item.keys()) <= set(f"{required} {optional}".split())
        for key, value in item.items():
            assert value in CHOICES.get(key, {value})
            assert key not in ("ref", "format") or value in ids
            if key in TIMES:
                assert (_time(value) * fps).denominator == 1


def _time(text: str) -> Fraction:
    found = re.fullmatch(r"([0-9]+)(?:/([0-9]+))?s", text)
    assert found
    assert int(found[1]) < 2**63
    assert int(found[2] or 1) < 2**31
    return Fraction(int(found[1]), int(found[2] or 1))


@pytest.mark.parametrize("fps", RATES)
def test_the_storyline_has_no_hole_and_transitions_lie_centred_on_cuts(fps: Fraction) -> None:
    root = ElementTree.fromstring(fcpxml_of(recut_of_spec(PARTS, SOUNDS, fps, True, OPENING)))
    sequence = next(root.iter("sequence"))
    at = _time(sequence.get("tcStart", ""))
    for item in next(root.iter("spine")):
        begins, lasts = _time(item.get("offset", "")), _time(item.get("duration", ""))
        if item.tag == "transition":
            assert begins <= at <= begins + lasts
            middle = begins + lasts / 2 - at
            fades = item.get("name") == "Fade To Color"
            assert fades or abs(middle) * fps <= Fraction(1, 2)
        else:
            assert begins == at
            at += lasts
    assert at - _time(sequence.get("tcStart", "")) == _time(sequence.get("duration", ""))


def test_every_clip_stays_inside_its_media() -> None:
    root = ElementTree.fromstring(fcpxml_of(recut_of_spec(PARTS, SOUNDS, NTSC_24)))
    lengths = {item.get("id"): _time(item.get("duration", "")) for item in root.iter("asset")}
    for clip in root.iter("asset-clip"):
        end = _time(clip.get("start", "")) + _time(clip.get("duration", ""))
        assert end <= lengths[clip.get("ref")]


@pytest.fixture
def other_reader(monkeypatch: pytest.MonkeyPatch) -> Any:
    """OpenTimelineIO's FCP X adapter, which imports a name that Python 3.9 removed."""
    from xml import etree

    monkeypatch.setattr(etree, "cElementTree", ElementTree, raising=False)
    return lambda text: otio.adapters.read_from_string(text, "fcpx_xml")


def test_an_independent_reader_finds_the_same_clips(other_reader: Any) -> None:
    """It knows no transitions and only whole rates, so a film of cuts at 24 is compared."""
    parts = (Part("shot_001", start=5, note="Too dark"), Part("shot_002", 30, 40), Part("s3"))
    sounds = (Sound("Dialogue", "hello", at=10), Sound("Music", "theme", at=60, start=4, frames=9))
    found = other_reader(fcpxml_of(recut_of_spec(parts, sounds)).decode())
    tracks = {track.name: track for track in found[0].tracks}
    assert [(c.name, c.source_range.start_time.value, c.duration().value) for c in tracks["0"]] == [
        ("shot_001", 5, 48),
        ("shot_002", 30, 40),
        ("s3", 0, 48),
    ]
    assert tracks["0"][0].markers[0].name == "Too dark"
    music = next(item for item in tracks["-2"] if isinstance(item, otio.schema.Clip))
    assert music.source_range.start_time.value == 4
    assert tracks["-2"].range_of_child(music).start_time.value == 60


FOREIGN = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE fcpxml>
<fcpxml version="1.11"><resources>
<format id="r1" name="FFVideoFormat720p2398" frameDuration="1001/24000s"/>
<effect id="r4" name="Cross Dissolve" uid="x"/>
<asset id="r2" name="a" start="0s" duration="120120/24000s" hasVideo="1" format="r1">
<media-rep src="file:///Volumes/Edit/shot_002-{two}.mov"/></asset>
<asset id="r3" name="b" start="24024/24000s" duration="120120/24000s" hasVideo="1" format="r1"
 src="file:///Volumes/Edit/media/shot_001-{one}.mov"/>
<asset id="r5" name="c" duration="120120/24000s" hasAudio="1">
<media-rep src="file:///Volumes/Edit/{three}.wav"/></asset>
</resources><library><event><project name="v2"><sequence format="r1"><spine>
<asset-clip ref="r2" name="shot_002" offset="0s" start="10010/24000s" duration="48048/24000s">
<adjust-conform type="fit"/>
<asset-clip ref="r5" lane="-1" offset="12012/24000s" duration="24024/24000s" name="hello"
 audioRole="dialogue.dialogue-1"/>
<marker start="20020/24000s" duration="1001/24000s" value="Nice"/>
</asset-clip>
<transition name="Cross Dissolve" offset="42042/24000s" duration="12012/24000s">
<filter-video ref="r4" name="Cross Dissolve"/></transition>
<clip name="shot_001" offset="48048/24000s" start="12012/24000s" duration="24024/24000s">
<video ref="r3" offset="0s" start="24024/24000s" duration="120120/24000s"/></clip>
</spine></sequence></project></event></library></fcpxml>"""


def _foreign() -> bytes:
    return FOREIGN.format(
        one=digest_of("one")[:16], two=digest_of("two")[:16], three=digest_of("three")
    ).encode()


def test_an_editor_s_project_is_read() -> None:
    found = read_fcpxml(_foreign(), NTSC_24)
    assert found.shown == (
        Shown(
            shot_id="shot_002",
            source=f"file:///Volumes/Edit/shot_002-{digest_of('two')[:16]}.mov",
            start=10,
            frames=54,
            available=120,
            transition=Passage(style="crossfade", tail=12, head=12),
            marks=(Mark(frame=20, frames=1, name="Nice"),),
        ),
        Shown(
            shot_id="shot_001",
            source=f"file:///Volumes/Edit/media/shot_001-{digest_of('one')[:16]}.mov",
            start=6,
            frames=30,
            available=120,
        ),
    )
    (sound,) = found.heard or ()
    assert (sound.track, sound.at, sound.digest) == ("Dialogue", 2, digest_of("three"))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('1001/24000s"/>\n<effect', '1/25s"/>\n<effect', "a frame lasts 1/25s"),
        ('start="10010/24000s"', 'start="10000/24000s"', "not on a frame"),
        ('<adjust-conform type="fit"/>', "<timeMap/>", "speed or rate is changed"),
        ('<adjust-conform type="fit"/>', '<adjust-crop mode="trim"/>', "effect 'adjust-crop'"),
        ("<marker ", '<filter-video name="Blur"/><marker ', "effect 'Blur'"),
        ("<clip ", '<clip enabled="0" ', "disabled"),
        ('lane="-1"', 'lane="1" srcEnable="video"', None),
        ('ref="r5" lane="-1"', 'ref="r2" lane="1"', "over or under the picture"),
        ("dialogue.dialogue-1", "foley", "role 'foley'"),
        ('name="Cross Dissolve"', 'name="Star Iris"', "'Star Iris' cannot be rendered"),
        ('offset="42042/24000s"', 'offset="0s"', "does not lie over a cut"),
        ('offset="48048/24000s"', 'offset="24024/24000s"', "overlaps what is before"),
        ("<clip ", '<ref-clip ref="r2" duration="1001/24000s"/><clip ', "is a ref-clip"),
        ("<clip ", '<title ref="r2" name="Hi" duration="1001/24000s"/><clip ', "is a title"),
        ('ref="r3"', 'ref="r9"', "no media file"),
        ('duration="12012/24000s"', 'duration="twelve"', "is no time"),
        ('duration="12012/24000s"', 'duration="1/0s"', "is no time"),
        ("</library>", "<event><project><sequence/></project></event></library>", "2 sequences"),
    ],
)
def test_what_a_film_cannot_show_is_refused_by_name(old: str, new: str, says: str | None) -> None:
    text = _foreign().decode().replace(old, new)
    assert text != _foreign().decode()
    if says is None:
        read_fcpxml(text.encode(), NTSC_24)
        return
    with pytest.raises(BadInput, match=says):
        read_fcpxml(text.encode(), NTSC_24)


LAUGHS = b"""<!DOCTYPE fcpxml [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><fcpxml>&b;</fcpxml>"""
OUTSIDE = b"""<!DOCTYPE fcpxml [<!ENTITY a SYSTEM "file:///etc/hostname">]><fcpxml>&a;</fcpxml>"""
PARAMETER = b"""<!DOCTYPE f [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x"> %a;]><fcpxml/>"""


@pytest.mark.parametrize("data", [LAUGHS, OUTSIDE, PARAMETER])
def test_no_entity_is_expanded_or_fetched(data: bytes) -> None:
    with pytest.raises(BadInput, match="declares an entity"):
        read_markup(data)


def test_a_dtd_elsewhere_is_not_fetched() -> None:
    data = b'<!DOCTYPE fcpxml SYSTEM "http://127.0.0.1:9/FCPXMLv1_8.dtd"><fcpxml version="1.8"/>'
    assert read_markup(data).get("version") == "1.8"


@pytest.mark.parametrize(
    "data",
    [
        b"<a>" * 65 + b"</a>" * 65,
        b"<a>" + b"<b/>" * 1001 + b"</a>",
        b"<a " + b" ".join(b'x%d=""' % n for n in range(99)) + b"/>",
        b"<a><b></a>",
        b"",
    ],
)
def test_deep_wide_or_broken_xml_is_refused(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "MAX_ELEMENTS", 1000)
    with pytest.raises(BadInput):
        read_markup(data)


def test_a_clip_that_transitions_cover_wholly_has_no_place_in_a_storyline() -> None:
    parts = (
        Part("a", style="crossfade", tail=1, head=1),
        Part("b", frames=2, style="crossfade", tail=1, head=1),
        Part("c"),
    )
    assert fcpxml_of(recut_of_spec(parts))
    parts = (parts[0], parts[1]._replace(frames=1, style="cut"), parts[2])
    with pytest.raises(BadInput, match="b"):
        fcpxml_of(recut_of_spec((parts[0]._replace(tail=2, head=2), parts[1], parts[2])))


def test_a_film_without_a_size_has_no_format() -> None:
    with pytest.raises(BadInput, match="width and height"):
        fcpxml_of(recut_of_spec((Part(),), fps=FILM_24).model_copy(update={"facts": {}}))
