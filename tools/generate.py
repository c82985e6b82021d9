"""Write every generated file, or with --check fail when one differs from what would be written.

A generator is a module in tools/generators with `OUTPUT`, a path from the top of the tree, and `text()`, the whole
content of that file. It must not depend on time, machine or network, or the comparison would be worthless.
"""

import difflib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

TOP = Path(__file__).resolve().parent.parent


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"generators.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def differs(output: str, text: str) -> bool:
    """Print what generating would change in one file; say whether there is any."""
    path = TOP / output
    have = path.read_text() if path.exists() else ""
    diff = difflib.unified_diff(have.splitlines(), text.splitlines(), output, f"{output} (generated)", lineterm="")
    lines = list(diff)
    print("\n".join(lines), end="\n" if lines else "")
    return have != text


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print("usage: tools/generate.py [--check]", file=sys.stderr)
        return 2
    stale = []
    for source in sorted((TOP / "tools" / "generators").glob("*.py")):
        generator = load(source)
        if not arguments:
            (TOP / generator.OUTPUT).write_text(generator.text())
        elif differs(generator.OUTPUT, generator.text()):
            stale.append(generator.OUTPUT)
    if stale:
        print(f"stale: {', '.join(stale)} (`make fmt` renews generated files)", file=sys.stderr)
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
