"""LaTeX source: one .tex file, or an archive of them as arXiv has it (.tar.gz, .gz, .zip), read in memory. Text by pylatexenc, formulas left as they are written,
the author's own abbreviations without arguments written out.

What it does not do: run TeX. What packages or macros with arguments would set is left as it stands in the source.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zipfile
import zlib

from core.errors import PaperError
from core.papers.readers import decoded
from core.papers.readers.ids import arxiv_of_name, year_of, year_of_arxiv
from core.papers.readers.markdown import kept
from core.store.paper_nouns import Facts, Read

MOST_FILES, MOST_BYTES, DEEPEST = 500, 40 * 2**20, 5
SECTION = re.compile(r"\\(?:section|subsection|subsubsection|chapter)\*?\s*(?:\[[^\]]*\])?\{")
MATHS = re.compile(r"\\begin\{(equation|align|gather|multline|eqnarray|alignat|displaymath|math)\*?\}.*?\\end\{\1\*?\}|\$\$.*?\$\$|\\\[.*?\\\]", re.DOTALL)


def read_latex(name: str, data: bytes) -> Read:
    """Raises PaperError where there is no LaTeX in it."""
    files = _files(name, data)
    main = next((text for text in files.values() if "\\documentclass" in text and "\\begin{document}" in text), None) or max(files.values(), key=len)
    source = _whole(_bare(main), files)
    head, _, body = source.partition("\\begin{document}")
    head, body = (head, body) if body else ("", source)
    body = body.partition("\\end{document}")[0]
    body = _abbreviated(body, head + body)
    title = _text(_argument(source, "\\title"))
    authors = tuple(filter(None, (" ".join(_text(re.sub(r"\\(?:thanks|footnote|textsuperscript|inst)\{[^{}]*\}|\$[^$]*\$", "", a)).split("\n")[0].split())
                                  for a in re.split(r"\\and\b|\\And\b|\\AND\b|,", _argument(source, "\\author")))))
    abstract_at = re.search(r"\\begin\{abstract\}(.*?)\\end\{abstract\}", source, re.DOTALL)
    abstract = _text(abstract_at[1]) if abstract_at else _text(_argument(source, "\\abstract"))
    arxiv = arxiv_of_name(name)
    facts = Facts(title=" ".join(title.split()) or name, authors=authors, abstract=" ".join(abstract.split()), arxiv=arxiv, year=year_of_arxiv(arxiv) or year_of(_argument(source, "\\date")))
    body = re.sub(r"\\begin\{(abstract|thebibliography|comment)\}.*?\\end\{\1\}", "", body, flags=re.DOTALL)
    return Read(facts, "latex", kept(_sections(body)))


def _files(name: str, data: bytes) -> dict[str, str]:
    """The archive's .tex files by name, or the one file that it is."""
    try:
        if data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as packed:
                parts = [(i.filename, i.file_size, lambda i=i: packed.read(i)) for i in packed.infolist() if not i.is_dir()]
                return _chosen(name, parts)
        if data[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                data = packed.read(MOST_BYTES + 1)
            if len(data) > MOST_BYTES:
                raise PaperError(f"{name} is larger than {MOST_BYTES // 2**20} MB when unpacked", "take its PDF or HTML")
        if len(data) > 512 and data[257:262] == b"ustar":
            with tarfile.open(fileobj=io.BytesIO(data)) as packed:
                return _chosen(name, [(m.name, m.size, lambda m=m: (packed.extractfile(m) or io.BytesIO()).read()) for m in packed.getmembers() if m.isfile()])
    except (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise PaperError(f"{name} is a broken archive: {error}", "download it again") from None
    return {name: decoded(name, data)}


def _chosen(name: str, parts: list) -> dict[str, str]:
    texts = [(path, size, get) for path, size, get in parts if path.lower().endswith((".tex", ".ltx"))]
    if not texts:
        raise PaperError(f"{name} holds no .tex file", "it must be a paper's LaTeX source")
    if len(texts) > MOST_FILES or sum(size for _, size, _ in texts) > MOST_BYTES:
        raise PaperError(f"{name} holds too much: {len(texts)} files", "take its PDF or HTML")
    return {path: _bare(decoded(path, get())) for path, _, get in texts}


def _bare(text: str) -> str:
    """Without comments; `%` after a backslash is a percent sign."""
    return re.sub(r"(?<!\\)((?:\\\\)*)%.*", r"\1", text)


def _whole(text: str, files: dict[str, str], depth: int = 0) -> str:
    """With what it draws in by \\input and \\include."""
    def drawn(found: re.Match[str]) -> str:
        wanted = found[1].strip().removesuffix(".tex").removeprefix("./")
        part = next((t for path, t in files.items() if re.sub(r"^\./|\.(tex|ltx)$", "", path) == wanted or path.endswith(f"/{wanted}.tex")), "")
        return _whole(part, files, depth + 1) if part and depth < DEEPEST else ""

    return re.sub(r"\\(?:input|include|subfile)\{([^{}]+)\}", drawn, text)[: MOST_BYTES]


def _abbreviated(body: str, head: str) -> str:
    """\\newcommand{\\R}{\\mathbb{R}} without arguments is written out, at most a hundred of them, one after another."""
    for found in list(re.finditer(r"\\(?:re)?newcommand\*?\s*\{?\\([A-Za-z]+)\}?\s*(?!\[)\{((?:[^{}]|\{[^{}]*\})*)\}|\\def\s*\\([A-Za-z]+)\s*\{((?:[^{}]|\{[^{}]*\})*)\}", head))[:100]:
        name, meaning = (found[1], found[2]) if found[1] else (found[3], found[4])
        if f"\\{name}" not in meaning and len(meaning) < 300:
            body = re.sub(rf"\\{name}(?![A-Za-z])", lambda _, m=meaning: m, body)
    return body


def _argument(text: str, command: str) -> str:
    """What stands in the braces after a command, those within it counted."""
    at = re.search(re.escape(command) + r"\s*(?:\[[^\]]*\])?\s*\{", text)
    return _braced(text, at.end())[0] if at else ""


def _braced(text: str, start: int) -> tuple[str, int]:
    depth, at = 1, start
    while at < len(text) and depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0) if text[at - 1] != "\\" else 0
        at += 1
    return text[start : at - 1 if not depth else at], at


def _sections(body: str) -> list[tuple[str, str]]:
    found, heading, at = list[tuple[str, str]](), "", 0
    for head in SECTION.finditer(body):
        if head.start() < at:
            continue
        found.append((heading, _text(body[at : head.start()])))
        title, at = _braced(body, head.end())
        heading = " ".join(_text(title).split())
    return [*found, (heading, _text(body[at:]))]


def _text(source: str) -> str:
    """Words as they would be printed, formulas as they are written."""
    from pylatexenc.latex2text import LatexNodes2Text, get_default_latex_context_db
    from pylatexenc.latexwalker import LatexWalkerError

    if not source.strip():
        return ""
    formulas: list[str] = []

    def put_by(found: re.Match[str]) -> str:
        formulas.append(_formula(found[0]))
        return f"\n\nFORMULA{len(formulas) - 1}X\n\n"

    source = MATHS.sub(put_by, source)
    source = re.sub(r"\\(?:cite[a-z]*|parencite|textcite)\*?(?:\[[^\]]*\])*\{([^{}]*)\}", r"[\1]", source)
    source = re.sub(r"\\(?:label|vspace|hspace|includegraphics|bibliography|bibliographystyle|footnotemark|maketitle)\*?(?:\[[^\]]*\])?(?:\{[^{}]*\})?", "", source)
    source = re.sub(r"\\(?:ref|eqref|cref|autoref)\{([^{}]*)\}", r"\1", source)
    source = re.sub(r"\\(?:begin|end)\{(?:figure|table|center|itemize|enumerate|theorem|lemma|proof|definition|small|minipage|wrapfigure|tabular)\*?\}(?:\[[^\]]*\])?(?:\{[^{}]*\})*", "\n", source)
    try:
        text = LatexNodes2Text(math_mode="verbatim", latex_context=get_default_latex_context_db(), strict_latex_spaces=False).latex_to_text(source, tolerant_parsing=True)
    except (LatexWalkerError, RecursionError, ValueError, IndexError, AttributeError):
        text = re.sub(r"\\[A-Za-z]+\*?|[{}]", " ", source)        # what it cannot parse is shown without its commands
    text = re.sub(r"FORMULA(\d+)X", lambda m: formulas[int(m[1])] if int(m[1]) < len(formulas) else m[0], text)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(" ".join(line.split()) for line in text.splitlines())).strip()


def _formula(source: str) -> str:
    inner = re.sub(r"^\\begin\{[a-z]+\*?\}|\\end\{[a-z]+\*?\}$|^\$\$|\$\$$|^\\\[|\\\]$", "", source.strip()).strip()
    inner = re.sub(r"\\(?:label|tag)\{[^{}]*\}|\\nonumber", "", inner)
    return f"$${' '.join(inner.split())}$$"
