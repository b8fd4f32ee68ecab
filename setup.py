"""What pyproject.toml cannot say: notebooks, studies and data from beside the package are built into it."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

BUNDLED = ("notebooks/*.ipynb", "studies/*", "data/claims.yaml", "data/atlas/**/*", "data/published/*")


class Build(build_py):
    """Copies what `hybridkit.utils.paths.bundled` finds; an editable install finds it in the checkout."""

    def run(self) -> None:
        """Build the package, then fill its folder `bundled`."""
        super().run()
        home = Path(__file__).resolve().parent
        for path in [] if self.editable_mode else sorted(path for one in BUNDLED for path in home.glob(one)):
            if path.is_file():
                target = Path(self.build_lib, "hybridkit", "bundled", path.relative_to(home))
                target.parent.mkdir(parents=True, exist_ok=True)
                self.copy_file(str(path), str(target))


setup(cmdclass={"build_py": Build})
