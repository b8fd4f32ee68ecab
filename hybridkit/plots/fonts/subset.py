"""Make the font subsets of this folder again from the full fonts; README.md here has the commands around it.

A subset gets a family name of its own, so that a full Noto on the reader's machine never changes a figure.
"""

import sys
from pathlib import Path

from fontTools import subset  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from fontTools.varLib.instancer import instantiateVariableFont  # type: ignore[import-untyped]

PUNCTUATION = [*range(0x20, 0x41), *range(0x5B, 0x61), *range(0x7B, 0x7F), 0xA0, 0xAB, 0xB7, 0xBB, 0xD7, 0x25CC]
MARKS = [*range(0x200B, 0x2010), *range(0x2010, 0x2028), 0x2030]
FONTS = {  # name: file in the wheel, face in the collection, code points
    "Arabic": ("NotoSansArabic[wdth,wght].ttf", -1, [*range(0x600, 0x700), *PUNCTUATION, *MARKS]),
    "Devanagari": ("NotoSansDevanagari[wdth,wght].ttf", -1, [*range(0x900, 0x980), *PUNCTUATION, *MARKS]),
    "Thai": ("NotoSansThai[wdth,wght].ttf", -1, [*range(0xE00, 0xE80), *PUNCTUATION, *MARKS]),
    "Chinese": ("NotoSansCJK-Regular.ttc", 2, []),
}


def chinese() -> list[int]:
    """Code points of the Chinese subset: GB 2312 level 1 (3,755 characters), its punctuation and kana, three names."""
    rows = (1, 3, 4, 5, *range(16, 56))
    text = "".join(bytes([row + 0xA0, cell + 0xA0]).decode("gb2312", "ignore") for row in rows for cell in range(1, 95))
    return sorted({ord(character) for character in text + "中文繁體日本語한국어粵語"} | set(PUNCTUATION))


def make(source: Path, name: str, face: int, points: list[int], target: Path) -> None:
    """Write the subset of one regular upright face, hinting left out (figures are drawn at 200 dpi or as paths)."""
    font = TTFont(source, fontNumber=face, recalcTimestamp=False)
    if "fvar" in font:
        font = instantiateVariableFont(font, {"wdth": 100, "wght": 400})
    options = subset.Options(layout_features=["*"] if name != "Chinese" else [], hinting=False, name_IDs=["*"])
    if name == "Chinese":  # no vertical text, no positioning: half the bytes
        options.drop_tables += ["BASE", "GPOS", "GSUB", "VORG", "vhea", "vmtx"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=points)
    subsetter.subset(font)
    family = f"Kit Noto {name}"
    names = font["name"]
    for record in [record for record in names.names if record.nameID in (16, 17, 21, 22, 25)]:
        names.removeNames(nameID=record.nameID)
    for number, value in ((1, family), (2, "Regular"), (3, family), (4, family), (6, family.replace(" ", ""))):
        names.setName(value, number, 3, 1, 0x409)
        names.removeNames(nameID=number, platformID=1)
    if "CFF " in font:
        font["CFF "].cff.fontNames = [family.replace(" ", "")]
    font.save(target)


if __name__ == "__main__":
    wheels, folder = Path(sys.argv[1]), Path(__file__).parent
    for name, (file, face, points) in FONTS.items():
        found = next(path for path in sorted(wheels.rglob("*")) if path.name == file)
        target = folder / f"KitNoto{name}{'.otf' if face >= 0 else '.ttf'}"
        make(found, name, face, points or chinese(), target)
        print(f"{target.name}: {target.stat().st_size:,} bytes", file=sys.stdout)
