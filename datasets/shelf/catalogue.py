"""What the synthetic chain sells: every product is a kind of goods in a flavour.

The kind of goods decides the packaging and the layout of its print, the flavour decides the
colours and the logo. Products therefore share their colours with the other goods of a flavour
and their shape with the other flavours of the goods, and only both together tell which product
it is: an average colour does not.
"""

import dataclasses

from datasets.shelf.packaging import PACKAGINGS, Packaging
from tff_retail.config import ConfigurationError

Colour = tuple[int, int, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Product:
    """One label.

    Attributes:
      name: the label, such as `tomato_soup`.
      packaging: its shape.
      layout: how base and accent colour share the print (`datasets.shelf.printing`).
      logo: the figure in the middle of the print.
      base, accent: RGB in 0-255.
    """

    name: str
    packaging: Packaging
    layout: str
    logo: str
    base: Colour
    accent: Colour


_RED, _GREEN, _BLUE, _YELLOW = (196, 38, 34), (46, 128, 58), (40, 80, 164), (236, 192, 44)
_CREAM, _BROWN, _ORANGE, _PURPLE = (232, 216, 178), (108, 68, 42), (226, 116, 34), (112, 56, 132)
_WHITE, _PINK, _TEAL, _BLACK = (240, 238, 234), (222, 110, 150), (38, 140, 144), (44, 42, 46)

# flavour -> base colour, accent colour, logo. Each pair of colours comes with several logos.
_FLAVOURS: dict[str, tuple[Colour, Colour, str]] = {
    "tomato": (_RED, _WHITE, "circle"),
    "strawberry": (_RED, _WHITE, "heart"),
    "mint": (_GREEN, _WHITE, "leaf"),
    "apple": (_GREEN, _WHITE, "circle"),
    "oat": (_CREAM, _BLUE, "diamond"),
    "vanilla": (_CREAM, _BLUE, "flower"),
    "lemon": (_YELLOW, _GREEN, "drop"),
    "honey": (_YELLOW, _BROWN, "drop"),
    "berry": (_PURPLE, _WHITE, "heart"),
    "grape": (_PURPLE, _WHITE, "circle"),
    "orange": (_ORANGE, _WHITE, "ring"),
    "carrot": (_ORANGE, _GREEN, "triangle"),
    "cocoa": (_BROWN, _CREAM, "diamond"),
    "nut": (_BROWN, _CREAM, "star"),
    "sea_salt": (_BLUE, _WHITE, "star"),
    "coconut": (_BLUE, _WHITE, "ring"),
    "rose": (_PINK, _WHITE, "flower"),
    "peach": (_PINK, _YELLOW, "heart"),
    "lime": (_TEAL, _YELLOW, "drop"),
    "eucalyptus": (_TEAL, _WHITE, "leaf"),
    "pepper": (_BLACK, _RED, "triangle"),
    "liquorice": (_BLACK, _YELLOW, "star"),
    "rice": (_WHITE, _RED, "leaf"),
    "ginger": (_WHITE, _ORANGE, "flower"),
}
# goods -> packaging, layout, whether accent and base colour change places.
_GOODS: dict[str, tuple[str, str, bool]] = {
    "soup": ("can", "band", False),
    "juice": ("carton", "halves", False),
    "sauce": ("bottle", "band", False),
    "tea": ("box", "stripes", False),
    "jam": ("jar", "checks", False),
    "milk": ("carton", "hoops", True),
    "chips": ("bag", "diagonal", False),
    "yoghurt": ("cup", "dots", True),
    "toothpaste": ("tube", "stripes", True),
    "cereal": ("box", "panel", False),
    "soda": ("can", "diagonal", False),
    "syrup": ("bottle", "hoops", False),
    "coffee": ("bag", "panel", False),
    "spread": ("jar", "band", True),
    "ice_cream": ("cup", "checks", False),
    "hand_cream": ("tube", "dots", False),
    "shampoo": ("bottle", "halves", True),
    "biscuits": ("box", "hoops", True),
    "beans": ("can", "checks", True),
    "pickles": ("jar", "stripes", False),
    "water": ("bottle", "dots", True),
    "flour": ("bag", "stripes", True),
}
# Small chains are made of these. The first ten are five kinds of goods on two pairs of colours, so
# that they are as hard to tell by colour as the products of a large chain.
_FIRST = (
    "tomato_soup",
    "apple_juice",
    "strawberry_jam",
    "mint_tea",
    "strawberry_yoghurt",
    "mint_soup",
    "tomato_juice",
    "apple_jam",
    "strawberry_tea",
    "mint_yoghurt",
    "tomato_sauce",
    "oat_milk",
    "vanilla_yoghurt",
    "lemon_tea",
    "berry_yoghurt",
    "orange_juice",
    "sea_salt_chips",
    "cocoa_cereal",
    "honey_spread",
    "coconut_milk",
)


def catalogue(num_labels: int) -> tuple[Product, ...]:
    """The first products of the chain, always the same ones in the same order.

    Raises:
      ConfigurationError: `num_labels` is below 2 or above what the chain has.
    """
    names = _all_names()
    if not 2 <= num_labels <= len(names):
        raise ConfigurationError(
            f"--num_labels must be in [2, {len(names)}], found {num_labels}; "
            "the synthetic chain sells no more products"
        )
    return tuple(_product(*names[name], name=name) for name in list(names)[:num_labels])


def _all_names() -> dict[str, tuple[str, str]]:
    """Label -> its flavour and goods: `_FIRST`, then the diagonals of the table of both."""
    flavours, goods = list(_FLAVOURS), list(_GOODS)
    pairs = {
        f"{flavours[column]}_{goods[(column + diagonal) % len(goods)]}": (
            flavours[column],
            goods[(column + diagonal) % len(goods)],
        )
        for diagonal in range(len(goods))
        for column in range(len(flavours))
    }
    return {name: pairs[name] for name in _FIRST} | pairs


def _product(flavour: str, goods: str, *, name: str) -> Product:
    base, accent, logo = _FLAVOURS[flavour]
    packaging, layout, is_inverted = _GOODS[goods]
    if is_inverted:
        base, accent = accent, base
    return Product(
        name=name,
        packaging=PACKAGINGS[packaging],
        layout=layout,
        logo=logo,
        base=base,
        accent=accent,
    )
