"""
The one file of the client for JavaScript that brokers serve, joined of `clients/js/src`.

The modules keep to a form that needs no parser: each imports by whole `import { … } from './x.js'`
statements and exports by the word `export` before a declaration; no two use the same name at the
top.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
import re

SOURCES = Path(__file__).parents[2] / "clients" / "js" / "src"

HEAD = """\
// The client of this broker: import { Client } from '/client.js'. See docs/reference/clients.md.
// Made of clients/js/src by `make docs`. MIT licence.
"""

_IMPORT = re.compile(r"^import \{[^}]*\} from '\./(\w+)\.js';\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:class|const|function) )", re.MULTILINE)
_REEXPORT = re.compile(r"^export \{([^}]*)\} from '\./\w+\.js';", re.MULTILINE)
_TOP = re.compile(
    r"^(?:export )?(?:async )?(?:class|const|let|function) ([A-Za-z_$][\w$]*)", re.MULTILINE
)


def page() -> str:
    """
    Return the file.

    Raises:
        ValueError: two modules have the same name at the top.
    """
    texts = {path.stem: path.read_text(encoding="utf-8") for path in SOURCES.glob("*.js")}
    index = texts.pop("index")
    ordered = list(dict.fromkeys(_in_order("client", texts, ())))
    counts = Counter(name for module in ordered for name in _TOP.findall(texts[module]))
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ValueError(f"names of several modules: {', '.join(sorted(twice))}")
    parts = [_EXPORT.sub("", _IMPORT.sub("", texts[module])).strip() for module in ordered]
    names = sorted(name.strip() for group in _REEXPORT.findall(index) for name in group.split(","))
    return "\n\n".join([HEAD.strip(), *parts, f"export {{ {', '.join(names)} }};"]) + "\n"


def _in_order(module: str, texts: dict[str, str], above: tuple[str, ...]) -> list[str]:
    """Return a module behind everything that it imports; a circle is cut where it closes."""
    if module in above:
        return []
    needed = _IMPORT.findall(texts[module])
    before = [name for each in needed for name in _in_order(each, texts, (*above, module))]
    return [*before, module]
