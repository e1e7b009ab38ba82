"""The container: what is refused, in what words, and what a cut file still gives."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import psc
from psc.bitstream.header import crc16, unpack
from psc.bitstream.plan_code import NAMED_PLANS
from psc.plan.noise_levels import HIGHEST, LOWEST
from psc.plan.plan import FULL_BASIS, MOST_ROWS, Level, Plan, Round, Settings
from psc.plan.presets import PAPER
from psc.prior import HaarGaussian
from tests.conftest import SMALL, texture
from tests.headers import header_of

PRIOR = HaarGaussian()


@pytest.fixture(scope="module")
def data() -> bytes:
    return psc.encode_with(texture(24, 24), Settings(SMALL, 5, 112, 3), prior=PRIOR)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    fine = draw(st.integers(2, 16))
    levels = []
    for scale, window, samples in ((1, 8, fine), (4, 4, fine + draw(st.integers(0, 30)))):
        end, start = sorted(draw(st.tuples(*[st.integers(LOWEST, HIGHEST)] * 2)))
        levels.append(Level(scale, window, samples, start, end, draw(st.integers(1, 64 // samples))))
    coarse = levels[1]
    steps = st.integers(max(2, coarse.estimates), 255)
    rounds = st.builds(Round, st.just(1), st.integers(1, coarse.directions), steps)
    chosen = draw(st.lists(rounds, min_size=1, max_size=20))
    if sum(item.rows for item in chosen) <= MOST_ROWS and draw(st.booleans()):
        chosen.append(Round(1, FULL_BASIS, draw(steps)))
    return Plan(tuple(levels), tuple(chosen), draw(st.booleans()))


@given(
    st.integers(1, 65535), st.integers(1, 65535), st.booleans(),
    st.sampled_from(list(NAMED_PLANS.values())) | plans(), st.integers(48, 255), st.integers(0, 2**64 - 1),
    st.binary(min_size=4, max_size=4), st.booleans(), st.integers(0, 2**40),
)  # fmt: skip
@hypothesis_settings(max_examples=100, deadline=None)
def test_headers_survive(width, height, grey, plan, step, seed, fingerprint, exact, length) -> None:
    header = header_of(
        width, height, grey, plan, len(plan.rounds), step, seed, fingerprint, exact, length, 0xABCD
    )
    assert unpack(header.pack() + b"rest") == (header, b"rest")


def test_info_needs_no_model_and_no_body(data: bytes) -> None:
    said = psc.info(data[:64])
    assert (said["width"], said["height"], said["mode"]) == (24, 24, "RGB")
    assert said["plan"] == "custom"
    assert "cut" in said["defect"]
    assert psc.info(data)["defect"] == ""
    assert psc.info(data)["bpp"] == 8 * len(data) / 576


def test_every_flipped_byte_is_noticed(data: bytes) -> None:
    rng = np.random.default_rng(0)
    for i in range(len(data)):
        broken = bytearray(data)
        broken[i] ^= int(rng.integers(1, 256))
        with pytest.raises(psc.PscError):
            psc.decode(bytes(broken), prior=PRIOR)


def test_every_prefix_is_refused_or_decoded_partially(data: bytes) -> None:
    header_bytes = psc.info(data)["header_bytes"]
    rounds = []
    for length in range(len(data)):
        with pytest.raises(psc.PscError):
            psc.decode(data[:length], prior=PRIOR)
        if length < header_bytes:
            with pytest.raises(psc.PscError):
                psc.decode(data[:length], allow_partial=True, prior=PRIOR)
        elif length % 29 == 0 or length == header_bytes:
            part = psc.decode_details(data[:length], restoration="preview", allow_partial=True, prior=PRIOR)
            assert part.image.size == (24, 24)
            assert not part.complete
            assert "cut" in part.note
            rounds.append((part.rounds, part.symbols))
    assert rounds == sorted(rounds)
    assert rounds[0] == (0, 0)
    assert rounds[-1][0] >= 3


def test_a_longer_prefix_is_a_better_picture(data: bytes) -> None:
    array = texture(24, 24).astype(float)
    errors = []
    for share in (0.25, 0.5, 0.75, 0.95):
        left = round((1 - share) * len(unpack(data)[1]))
        part = psc.decode(data[: len(data) - left], allow_partial=True, prior=PRIOR)
        errors.append(float(np.mean((np.asarray(part, dtype=float) - array) ** 2)))
    assert errors == sorted(errors, reverse=True)


def test_a_flipped_bit_spoils_only_what_follows(data: bytes) -> None:
    """Its round's digest, of four bits, notices 15 of 16 times; then the earlier rounds are kept."""
    kept = []
    for position in range(-40, -4, 3):
        broken = bytearray(data)
        broken[position] ^= 4
        part = psc.decode_details(bytes(broken), allow_partial=True, prior=PRIOR)
        assert "checksum" in part.note
        kept.append(part.rounds)
    assert kept.count(4) >= 10


def test_another_prior_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(psc.PscError, match="was made with the prior"):
        psc.decode(data, prior=HaarGaussian(low=2.1))


def test_another_state_is_noticed_and_the_rest_kept(data: bytes) -> None:
    """A prior that claims the same weights but computes something else, as a float prior elsewhere may."""

    class Elsewhere(HaarGaussian):
        calls = 0

        def denoise(self, x, sigma, scale=1):
            Elsewhere.calls += 1
            return super().denoise(x, sigma, scale) + (2**-10 if Elsewhere.calls > 10 else 0)

    with pytest.raises(psc.PscError, match="state here is not the encoder's"):
        psc.decode(data, prior=Elsewhere())
    Elsewhere.calls = 0
    part = psc.decode_details(data, allow_partial=True, prior=Elsewhere())
    assert 0 < part.rounds < 5
    assert "not the encoder's" in part.note


def test_verify_tells_each_round_and_the_picture(data: bytes) -> None:
    seen: list[psc.RoundState] = []
    found = psc.verify(data, prior=PRIOR, report=seen.append)
    assert found.ok
    assert (tuple(seen), found.planned) == (found.rounds, 5)
    assert [state.number for state in seen] == [1, 2, 3, 4, 5]
    assert len({state.digest for state in seen}) == 5
    picture = psc.decode(data, prior=PRIOR)
    assert found.picture == hashlib.sha256(picture.tobytes()).hexdigest()
    cut = psc.verify(data[:-20], prior=PRIOR)
    assert not cut.ok
    assert "cut" in cut.note
    assert cut.picture == ""
    assert cut.rounds == found.rounds[: len(cut.rounds)]


def test_verify_finds_the_round_that_differs(data: bytes) -> None:
    class Elsewhere(HaarGaussian):
        calls = 0

        def denoise(self, x, sigma, scale=1):
            Elsewhere.calls += 1
            return super().denoise(x, sigma, scale) + (2**-10 if Elsewhere.calls > 10 else 0)

    found = psc.verify(data, prior=Elsewhere())
    assert not found.ok
    assert [state.agrees for state in found.rounds] == [True] * (len(found.rounds) - 1) + [False]
    truth = psc.verify(data, prior=PRIOR).rounds
    assert found.rounds[0] == truth[0]
    assert found.rounds[-1].digest != truth[len(found.rounds) - 1].digest


def test_info_names_the_prior() -> None:
    embedded = psc.load_prior()
    named = psc.info(repacked(fingerprint=embedded.fingerprint[:4]))
    assert (named["prior"], named["exact"]) == ("embedded", True)
    other = psc.info(repacked(exact=False))
    assert (other["prior"], other["exact"]) == ("unknown", False)


def repacked(**changes: object) -> bytes:
    fields = {
        "width": 24, "height": 24, "grey": False, "plan": SMALL, "rounds": 5, "step_index": 96, "seed": 0,
        "fingerprint": PRIOR.fingerprint[:4], "exact": True, "body_length": 4, "body_crc": crc16(b"abcd"),
    } | changes  # fmt: skip
    return header_of(**fields).pack() + b"abcd"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a PSC file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "not a PSC file"),
        (b"\x89PSC\x07" + bytes(50), "version 7"),
        (b"\x89PSC\x05", "ends inside its header"),
        (b"\x89PSC\x01" + bytes(50), "unreleased psc"),
        (b"\x89PSC\x05" + bytes([255] * 60), "64 bits"),
        (repacked(width=65535, height=65535), "GiB"),
        (repacked(plan=PAPER, width=257, height=256), "default preset"),
        (repacked() + b"more", "follow the end"),
    ],
)
def test_foreign_files_get_a_sentence(content: bytes, words: str) -> None:
    with pytest.raises(psc.PscError, match=words):
        psc.decode(content, prior=PRIOR)


@given(st.binary(max_size=300))
@hypothesis_settings(max_examples=200, deadline=None)
def test_random_bytes_after_the_magic_never_crash(content: bytes) -> None:
    with pytest.raises(psc.PscError):
        psc.decode(b"\x89PSC\x05" + content, prior=PRIOR)


@given(st.binary(min_size=1, max_size=120), st.booleans())
@hypothesis_settings(max_examples=40, deadline=None)
def test_random_bodies_never_crash(body: bytes, partial: bool) -> None:
    header = header_of(24, 24, False, SMALL, 5, 96, 0, PRIOR.fingerprint[:4], True, len(body), crc16(body))
    try:
        psc.decode(header.pack() + body, allow_partial=partial, prior=PRIOR)
    except psc.PscError:
        assert not partial


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 5), np.float32),
        np.full((5, 5), np.nan),
        np.zeros((5, 5, 5), np.uint8),
        np.zeros((2, 5, 5, 3), np.uint8),
        np.zeros((1, 70000), np.uint8),
    ],
    ids=["empty", "float", "nan", "five channels", "batch", "too wide"],
)
def test_arrays_that_are_no_picture(array: np.ndarray) -> None:
    with pytest.raises(psc.PscError):
        psc.encode(array, quality=5, prior=PRIOR)


@pytest.mark.parametrize("quality", [-1, 100.5, float("nan")])
def test_qualities_out_of_range(quality: float) -> None:
    with pytest.raises(psc.PscError, match="0 .smallest. to 100"):
        psc.encode(texture(8, 8), quality=quality, prior=PRIOR)


def test_presets_and_plans_are_checked() -> None:
    with pytest.raises(psc.PscError, match="default, progressive, paper"):
        psc.encode(texture(8, 8), preset="best", prior=PRIOR)
    with pytest.raises(psc.PscError, match="256x256|65536 pixels"):
        psc.encode(texture(257, 256), preset="paper", prior=PRIOR)
    for wrong in (
        (Level(2, 8, 4),),
        (Level(1, 8, 4), Level(3, 4, 4)),
        (Level(1, 7, 4),),
        (Level(1, 8, 1),),
        (Level(1, 8, 5), Level(4, 4, 4)),
        (Level(1, 8, 4, start=HIGHEST + 1),),
        (Level(1, 8, 4, end=LOWEST - 1),),
        (Level(1, 8, 4, start=50, end=51),),
        (Level(1, 8, 4, estimates=0),),
        (Level(1, 8, 4, estimates=5),),
        (Level(1, 8, 33, estimates=2),),
    ):
        with pytest.raises(psc.PscError, match="not a valid plan"):
            Plan(wrong, (Round(0, 1, 4),))
    with pytest.raises(psc.PscError, match="not a valid plan"):
        Plan((Level(1, 8, 4),), (Round(0, 4, 4),))
    twice = Level(1, 8, 4, estimates=2)
    Plan((twice,), (Round(0, 6, 2),))
    with pytest.raises(psc.PscError, match="not a valid plan"):
        Plan((twice,), (Round(0, 7, 2),))
    many = Level(1, 8, 64)
    Plan((many,), (*(Round(0, 32, 2),) * 16, Round(0, FULL_BASIS, 2)))
    with pytest.raises(psc.PscError, match="512 rows at most before it"):
        Plan((many,), (*(Round(0, 32, 2),) * 16, Round(0, 1, 2), Round(0, FULL_BASIS, 2)))
    for after in (1, FULL_BASIS):
        with pytest.raises(psc.PscError, match="full basis must be its last round"):
            Plan((many,), (Round(0, FULL_BASIS, 2), Round(0, after, 2)))
