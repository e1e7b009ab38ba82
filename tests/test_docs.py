"""Every example in README.md and docs/ runs: with a prior that takes milliseconds, on a small photograph.

An example is a block of code with a line that starts with ``psc``, or fenced as python. A page's examples run
one after another in one folder, and share their names, as a reader would try them.
A block that cannot run here says why in a comment before it: ``<!-- not run: reason -->``.
"""

import argparse
import inspect
import pkgutil
import re
import runpy
import shlex
import shutil
import sys
import tomllib
import webbrowser
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

import psc
from psc import prior
from psc.cli import app
from psc.evaluate import psc_codec, run
from psc.images.pixels import psnr
from psc.plan import presets
from psc.plan.plan import FULL_BASIS, Level, Plan, Round
from psc.view.server import Server
from tests.test_evaluate import small_file

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
TEXTS = [*PAGES, *(ROOT / name for name in ("CONTRIBUTING.md", "FORMAT.md", "SECURITY.md"))]
TEXTS += sorted(ROOT.glob("*/README.md"))
REFERENCE = ROOT / "docs/reference/python.md"
STAND_IN = prior.HaarGaussian(low=1.5, detail=(0.05, 0.1, 0.25, 0.5))
SAMPLE = ROOT / "examples/chelsea.png"
SIZE = (160, 128)
EXTRAS = {"evaluate": ("matplotlib", "scipy")}
"""Packages that what has these words needs; CI has them all."""
QUICK = Plan(
    levels=(Level(1, 16, 3), Level(4, 8, 3), Level(16, 4, 3)),
    rounds=tuple(Round(level, rows, 2) for level in (2, 1, 0) for rows in (2, FULL_BASIS)),
)
"""In the place of the default plan at every effort: its levels, with few samples, rounds and steps."""


class Block(NamedTuple):
    """language: of a fenced block, else empty. skip: why it is not run, or empty."""

    line: int
    language: str
    text: str
    skip: str


def blocks(page: Path) -> list[Block]:
    """All fenced and indented blocks of code of a page."""
    found, lines, skip, i = [], page.read_text().split("\n"), "", 0
    while i < len(lines):
        start, line = i, lines[i]
        if fence := re.match(r"```(\w*)$", line):
            i = lines.index("```", i + 1)
            found.append(Block(start + 1, fence[1], "\n".join(lines[start + 1 : i]), skip))
        elif line.startswith("    ") and not lines[max(0, i - 1)].strip():
            while i + 1 < len(lines) and (lines[i + 1].startswith("    ") or not lines[i + 1]):
                i += 1
            text = "\n".join(part.removeprefix("    ") for part in lines[start : i + 1])
            found.append(Block(start + 1, "", text.rstrip(), skip))
        if line.strip():
            said = re.match(r"<!-- not run: (.+) -->$", line)
            skip = said[1] if said else ""
        i += 1
    return found


def commands(block: Block) -> list[list[str]]:
    """A block's lines in words, without comments; none if it is not for a shell."""
    if block.language not in ("", "console", "sh") or not re.search(r"^(psc|pip|make) ", block.text, re.M):
        return []
    words = (shlex.split(line, comments=True) for line in block.text.replace("\\\n", " ").split("\n"))
    return [line for line in words if line]


def examples(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language == "python" or commands(block)]


WITH_EXAMPLES = [page for page in PAGES if any(not block.skip for block in examples(page))]


def small_prior(name: str = "embedded", *, device: str = "cpu", half: bool = False) -> prior.Prior:
    return STAND_IN


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what a reader is supposed to have: a photograph, folders of some, published curves."""
    photo = Image.open(SAMPLE).convert("RGB").resize(SIZE)
    for name in ("photo.jpg", "DIR/a.png", "THREE/a.png", "photos/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        photo.save(tmp_path / name)
    shutil.copytree(ROOT / "docs/published", tmp_path / "docs/published")
    mask = Image.new("L", SIZE)
    mask.paste(255, (0, 0, SIZE[0] // 2, SIZE[1]))
    mask.save(tmp_path / "mask.png")
    photo.putalpha(mask)
    photo.save(tmp_path / "cutout.png")
    monkeypatch.setattr(prior, "load_prior", small_prior)
    for effort in presets.EFFORTS:
        monkeypatch.setitem(presets.EFFORTS, effort, QUICK)
    monkeypatch.setattr(run, "model", lambda *_: STAND_IN)
    few = {name: codec for name, codec in run.known().items() if name in ("jpeg", "jpeg2000")}
    monkeypatch.setattr(run, "known", lambda: few)
    monkeypatch.setattr(psc_codec, "encode", small_file)
    monkeypatch.setattr(run.metrics, "measure", lambda a, b: {"psnr": psnr(a, b)})
    monkeypatch.setattr(webbrowser, "open", lambda url: True)
    monkeypatch.setattr(Server, "serve_forever", interrupted)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def interrupted(self: Server, poll_interval: float = 0.5) -> None:
    """In serve_forever's place: the reader presses Ctrl-C at once."""
    raise KeyboardInterrupt


def shell(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of a console: psc is called; what sets things up must name what there is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if words[0] == "psc":
        if any(word in words and not all(map(find_spec, needed)) for word, needed in EXTRAS.items()):
            return
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            app.main()
        assert not end.value.code, words
    elif words[:2] == ["pip", "install"]:
        wanted = re.fullmatch(rf"\.|{project['name']}\[([\w,]+)\]", words[2])
        assert wanted, words
        assert set((wanted[1] or "docs").split(",")) <= set(project["optional-dependencies"]), words
    elif words[:2] == ["python", "-m"]:
        assert find_spec(words[2]), words
    else:
        assert words[0] == "make", f"a command that the tests do not know: {words}"
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M), words


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pictures left open
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.name)
def test_examples_run(page: Path, reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"psc": psc, "image": Image.open("photo.jpg").convert("RGB")}
    for block in examples(page):
        if block.skip:
            continue
        if block.language == "python":
            exec(compile("\n" * block.line + block.text, str(page), "exec"), names)
        for words in commands(block):
            shell(words, monkeypatch)


def test_there_are_examples_and_few_are_not_run() -> None:
    """Also that blocks are found at all: fenced, indented, and with a reason."""
    every = [block for page in PAGES for block in examples(page)]
    names = {page.name for page in WITH_EXAMPLES}
    assert {"README.md", "getting-started.md", "view.md", "evaluate.md", "priors.md"} <= names
    skipped = [block for block in every if block.skip]
    assert len(skipped) < len(every) / 2
    assert all(len(block.skip) > 10 for block in skipped)


def test_modules_that_commands_name_are_there() -> None:
    """Those of the project; ``python -m pytest`` and the like are others' affair."""
    module = re.compile(r"python3? -m ((?:benchmarks|fuzz|reference|tests|training)[\w.]*)")
    named = {(page.name, name) for page in TEXTS for name in module.findall(page.read_text())}
    assert len(named) > 10
    assert not [(page, name) for page, name in sorted(named) if not find_spec(name)]


def python_commands(page: Path) -> list[list[str]]:
    """``python -m benchmarks.x OPTIONS`` of a page, in words: within its lines, and lines of their own."""
    text = page.read_text().replace("\\\n", " ")
    inline = re.findall(r"`(python -m [^`]+)`", text)
    lines = re.findall(r"^    (python -m .+?)(?:   .*)?$", text, re.M)
    return [shlex.split(line, comments=True)[2:] for line in inline + lines]


MEASURING = [
    words
    for page in TEXTS
    for words in python_commands(page)
    if re.match(r"(benchmarks|training)\.", words[0]) and words[0] != "benchmarks.captions"  # no options
]


class ParsedError(Exception):
    """In the place of what a command goes on to do."""


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("words", MEASURING, ids=" ".join)
def test_commands_that_measure_take_the_options_that_the_text_gives(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = argparse.ArgumentParser.parse_args

    def only_parse(*arguments: Any) -> None:
        parse(*arguments)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
    monkeypatch.setattr(sys, "argv", words if words[1:] else [*words, "--help"])  # named, not called
    with pytest.raises((ParsedError, SystemExit)) as end:
        runpy.run_module(words[0], run_name="__main__")
    assert end.type is ParsedError or not end.value.code


def test_there_are_commands_that_measure() -> None:
    assert len({words[0] for words in MEASURING}) > 10


def test_files_that_the_text_names_are_there() -> None:
    """``src/psc/plan/plan.py``, or ``psc/plan/plan.py`` for short."""
    folder = "(?:src/psc|psc|benchmarks|docs|tests|training)"
    path = re.compile(rf"(?<![\w:/.]){folder}/[\w/.-]*\w\.(?:py|toml|md|txt)\b")
    named = {(page.name, name) for page in TEXTS for name in path.findall(page.read_text())}
    assert len(named) > 20
    there = {name for _, name in named for at in ("", "src") if (ROOT / at / name).exists()}
    lost = [(page, name) for page, name in sorted(named) if name not in there]
    assert not lost


def test_pages_and_sections_that_the_code_names_are_there() -> None:
    """``docs/ablations.md``, and ``FORMAT.md, section 7``."""
    folders = ("src", "benchmarks", "reference", "tests", "training", "fuzz", "examples")
    code = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    pages = {(path, name) for path in code for name in re.findall(r"\bdocs/[\w/]+\.md\b", path.read_text())}
    assert len(pages) > 10
    assert not [(path, name) for path, name in pages if not (ROOT / name).exists()]
    there = set(re.findall(r"^## (\d+)\.", (ROOT / "FORMAT.md").read_text(), re.M))
    sections = re.compile(r"FORMAT\.md,\s+sections? (\d+)(?:(?:,| and) (\d+))*")
    named = {number for path in code for found in sections.findall(path.read_text()) for number in found}
    assert len(named) > 10
    assert named - {""} <= there


def test_names_that_the_text_gives_are_there() -> None:
    """``psc.session.journal``, ``psc.prior.Prior.denoise``: modules, and what is in them."""
    name = re.compile(r"`(psc(?:\.\w+)+)(?:`|\()")
    named = {(page.name, found) for page in TEXTS for found in name.findall(page.read_text())}
    assert len(named) > 20
    assert not [(page, found) for page, found in sorted(named) if not is_there(found)]


def is_there(name: str) -> bool:
    """Whether the last parts of a dotted name are attributes of the module that its first parts name."""
    parts, thing = name.split(".")[1:], psc
    for i, part in enumerate(parts):
        module = ".".join(["psc", *parts[: i + 1]])
        if not hasattr(thing, part):
            try:
                import_module(module)
            except ImportError:
                return False
        thing = getattr(thing, part)
    return True


def test_the_reference_has_every_public_name() -> None:
    listed = set(re.findall(r"^(?:::: |      heading: )psc\.(\w+)$", REFERENCE.read_text(), re.M))
    assert {name for name in psc.__all__ if not name.startswith("_")} <= listed


def public_functions() -> list[Any]:
    """The functions of the reference, and the public methods of its classes."""
    found = []
    for name in re.findall(r"^::: (psc[\w.]+)$", REFERENCE.read_text(), re.M):
        assert is_there(name)
        thing = pkgutil.resolve_name(name)
        methods = vars(thing).items() if inspect.isclass(thing) else [("", thing)]
        found += [pytest.param(it, id=f"{name} {at}") for at, it in methods if at[:1] != "_" and callable(it)]
    return found


@pytest.mark.parametrize("function", public_functions())
def test_public_docstrings_have_all_sections(function: Any) -> None:
    """Every parameter has a line, and a result is said to be one; the first line is a sentence."""
    said = inspect.getdoc(function) or ""
    assert re.match(r"[^\n]+[.:]\n\n|[^\n]+\.$", said), said
    signature = inspect.signature(function, eval_str=False)
    names = [name for name in signature.parameters if name != "self"]
    lines = re.findall(r"^    (\w+)(?: \([^)]*\))?: ", said.partition("Args:")[2].partition("\n\n")[0], re.M)
    assert lines == names
    quiet = str(signature.return_annotation) in ("None", "<class 'inspect._empty'>")
    assert quiet or not names or "Returns:" in said or "Iterator[None]" in str(signature.return_annotation)
    assert "The same." not in said
