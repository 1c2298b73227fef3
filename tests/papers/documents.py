"""Generated papers in every format that is read, a PDF written by hand among them, and broken ones of each kind."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import Path

WORDS = "the gated state of the recurrence forgets what its keys no longer need and the decay of each channel is learned from the token".split()  # noqa: SIM905


def body(n: int, words: int = 60) -> str:
    return " ".join(WORDS[(n * 7 + i * (1 + n % 3)) % len(WORDS)] for i in range(words)) + f" uniqueword{n}."


def pdf(lines: list[str], title: str = "", encrypted: bool = False) -> bytes:
    """One page of text in Helvetica."""
    text = "BT /F1 11 Tf 50 780 Td 14 TL " + " ".join(f"({line.replace(chr(92), '').replace('(', '').replace(')', '')}) Tj T*" for line in lines) + " ET"
    stream = zlib.compress(text.encode("latin-1", "replace"))
    parts = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
             b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
             b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(stream), stream), b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
             b"<< /Title (%b) >>" % title.encode("latin-1", "replace")]
    out, at = bytearray(b"%PDF-1.5\n"), []
    for n, part in enumerate(parts, 1):
        at.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (n, part)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1) + b"".join(b"%010d 00000 n \n" % a for a in at)
    locked = b" /Encrypt << /Filter /Standard /V 1 /R 2 /O <%b> /U <%b> /P -4 >> /ID [<00> <00>]" % (b"41" * 32, b"42" * 32) if encrypted else b""
    return bytes(out + b"trailer << /Size %d /Root 1 0 R /Info 6 0 R%b >>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, locked, start))


def html(n: int) -> str:
    return (f"<!DOCTYPE html><html><head><title>Paper {n}</title><meta name='citation_title' content='On gated recurrences, part {n}'><meta name='citation_author' content='Doe{n}, Jane'>"
            f"<meta name='citation_publication_date' content='20{10 + n % 14}/03/01'></head><body><nav>Home | Login</nav><article><h1>On gated recurrences, part {n}</h1>"
            f"<p>{body(n)}</p><h2>1 Method</h2><p>The state is <math alttext='S_t = a_t S_{{t-1}}'><mi>S</mi></math> for all t. {body(n + 1)}</p></article><script>alert(1)</script></body></html>")


def latex(n: int) -> str:
    return (f"\\documentclass{{article}}\n\\newcommand{{\\St}}{{S_t}}\\title{{Sources of memory, part {n}}}\\author{{Ada Roe{n} \\and Bob M\\\"uller}}\n\\begin{{document}}\\maketitle\n"
            f"\\begin{{abstract}} {body(n)} \\end{{abstract}}\n\\section{{Method}}\n{body(n + 2)} % a comment\n\\begin{{equation}}\n\\St = \\alpha \\St + v k^\\top \\label{{e}}\n\\end{{equation}}\n\\end{{document}}")


def markdown(n: int) -> str:
    return f"---\ntitle: Notes on decays, part {n}\nauthors: [Eve Poe{n}]\nyear: {2000 + n % 20}\n---\n# Notes on decays, part {n}\n\n## Idea\n\n{body(n)} With $a^2 + b^2$.\n\n## References\n\n[1] nobody\n"


def tarball(text: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, data in (("main.tex", text.replace("\\section{Method}", "\\input{method}\\section{Method}").encode()), ("method.tex", b"\\section{Drawn in} from another file.")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return out.getvalue()


def make(root: Path) -> tuple[int, int]:
    """A folder laid out in tiers. (distinct papers, broken items)."""
    folders = {name: root / name for name in ("htmls", "htmls2", "htmlsp", "pdfs", "pdfs2", "pdfsp", "notes")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    for n in range(16):
        (folders[("htmls", "htmls2", "htmlsp")[n % 3]] / f"h{n}.html").write_text(html(n))
    for n in range(14):
        (folders[("pdfs", "pdfs2", "pdfsp")[n % 3]] / f"p{n}.pdf").write_bytes(pdf([f"Printed state machines, part {n}", f"Ann Loe{n}", "Abstract", *body(n).split(". "), "1 Introduction", body(n + 3)], f"Printed state machines, part {n}"))
    for n in range(10):
        (folders["notes"] / f"m{n}.md").write_text(markdown(n))
        (folders["notes"] / f"l{n}.tex").write_text(latex(n))
    (folders["notes"] / "2101.00001.tar.gz").write_bytes(tarball(latex(99)))
    (folders["notes"] / "plain.txt").write_text("A plain account of shifts\n\nAbstract\n" + body(77, 200))
    (root / "refs.bib").write_text("@article{a1, title={Sources of memory, part 3}, author={Roe3, Ada and M{\\\"u}ller, Bob}, year=2021}\n@inproceedings{b1, title={A {B}ib paper of its own}, author={Bee, Cee}, year=2019}\n"
                                   "@misc{x1, year=2012}\n")
    (folders["pdfs"] / "copy-of-p0.pdf").write_bytes((folders["pdfs"] / "p0.pdf").read_bytes())         # the same bytes
    (folders["pdfs2"] / "p1-reprint.pdf").write_bytes(pdf(["Printed state machines, part 1", "Ann Loe1", "Abstract", body(1)], "Printed State-Machines: Part 1"))   # the same title
    broken = {"cut.pdf": pdf(["x"])[:90], "none.pdf": b"<html>no pdf</html>"[:0] + b"not a pdf", "locked.pdf": pdf(["x"], encrypted=True), "scan.pdf": pdf([""]), "empty.html": b"", "nul.md": b"\x00\x01\x02",
              "bad.tar.gz": gzip.compress(b"x" * 100)[:20], "notex.zip": b"PK\x05\x06" + b"\x00" * 18}
    for name, data in broken.items():
        (folders["notes"] / name).write_bytes(data)
    return 16 + 14 + 10 + 10 + 2 + 1, len(broken) + 1
