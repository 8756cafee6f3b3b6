"""``python -m benchmarks``: everything that is measured, one after the other.

``--write`` puts the figures into the README and ``benchmarks/results.md`` too; ``--library`` and
``--scenario`` measure those only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import keys, machine, overhead, tables
from benchmarks.measure import LIBRARIES, SCENARIOS

_README = Path(__file__).parents[1] / "README.md"
_RESULTS = Path(__file__).with_name("results.md")
_BEGIN, _END = "<!-- benchmark:begin -->\n", "<!-- benchmark:end -->"


def main() -> None:
    """Measure, print, and write where that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--library", action="append", choices=LIBRARIES)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    options = parser.parse_args()
    if options.write and (options.library or options.scenario):
        parser.error("--write needs everything measured")
    chosen = overhead.cases(options.library, options.scenario)
    results = overhead.run(chosen, overhead.THOROUGH)
    asked = tables.of_keys(keys.ask(keys.MILLION, keys.RUNS))
    packages = (*overhead.PACKAGES, *overhead.OTHER_PACKAGES, *keys.PACKAGES)
    measured_on = f"Measured on {machine.describe(packages)}."
    everything = "\n\n".join([tables.of_overhead(results), asked, measured_on])
    print(everything)
    if options.write:
        _put_into_results(everything)
        in_readme = [one for one in results if one.library in overhead.IN_README]
        short = tables.summary_of_overhead(in_readme)
        _put_into_readme("\n\n".join([short, asked, measured_on]))


def _put_into_results(figures: str) -> None:
    """Replace what was measured here; what other benchmarks printed has headings of its own."""
    _, heading, others = _RESULTS.read_text("utf-8").partition("\n## ")
    _RESULTS.write_text(f"# Results\n\n{figures}\n{heading}{others}", "utf-8")


def _put_into_readme(figures: str) -> None:
    before, _, rest = _README.read_text("utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    _README.write_text(f"{before}{_BEGIN}\n{figures}\n\n{_END}{after}", "utf-8")


if __name__ == "__main__":
    main()
