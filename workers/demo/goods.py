"""What the demo's shop sells and who buys there: invented goods, people and towns with their sales tax."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Product:
    """One article of the shop."""

    sku: str
    title: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class Town:
    """Where a buyer lives; ``tax`` is the sales tax as a fraction."""

    city: str
    region: str
    region_code: str
    postal_code: str
    tax: Decimal


def _product(sku: str, title: str, price: str) -> Product:
    return Product(sku, title, Decimal(price))


PRODUCTS: tuple[Product, ...] = (
    _product("TENT-RIDGE-2P", "Ridgeline tent, 2 person", "289.00"),
    _product("TENT-RIDGE-3P", "Ridgeline tent, 3 person", "349.00"),
    _product("BAG-DOWN-REG", "Down sleeping bag, regular", "219.95"),
    _product("BAG-DOWN-LNG", "Down sleeping bag, long", "234.95"),
    _product("MAT-AIR-STD", "Air mat", "89.90"),
    _product("STOVE-GAS-1", "Gas stove, single burner", "54.50"),
    _product("POT-TI-900", "Titanium pot 900 ml", "47.25"),
    _product("MUG-TI-450", "Titanium mug 450 ml", "24.99"),
    _product("LAMP-HEAD-400", "Head lamp 400 lm", "59.00"),
    _product("KNIFE-FOLD-8", "Folding knife", "38.75"),
    _product("PACK-55-M", "Trail pack 55 l, M", "199.00"),
    _product("PACK-55-L", "Trail pack 55 l, L", "199.00"),
    _product("PACK-DAY-18", "Day pack 18 l", "74.95"),
    _product("POLE-CARBON-P", "Carbon poles, pair", "129.00"),
    _product("SHELL-RAIN-S", "Rain shell, S", "164.00"),
    _product("SHELL-RAIN-M", "Rain shell, M", "164.00"),
    _product("SHELL-RAIN-L", "Rain shell, L", "164.00"),
    _product("SOCK-MERINO-M", "Merino socks, M", "17.90"),
    _product("SOCK-MERINO-L", "Merino socks, L", "17.90"),
    _product("FILTER-WATER-1", "Water filter", "42.30"),
    _product("BOTTLE-ST-750", "Steel bottle 750 ml", "27.45"),
    _product("CORD-UTIL-10", "Utility cord 10 m", "8.05"),
    _product("KIT-FIRST-AID", "First-aid kit", "33.33"),
    _product("MAP-HIGH-PASS", "Trail map High Pass", "12.49"),
)

NEW_PRODUCT = _product("TENT-PROTO-X", "Prototype tent, not in the ERP yet", "499.00")

TOWNS: tuple[Town, ...] = (
    Town("Oakhaven", "California", "CA", "95019", Decimal("0.0725")),
    Town("Millbrook Falls", "New York", "NY", "12545", Decimal("0.08125")),
    Town("Cedar Crossing", "Texas", "TX", "78620", Decimal("0.0825")),
    Town("Pinefield", "Oregon", "OR", "97739", Decimal(0)),
    Town("Harlow Bay", "Washington", "WA", "98221", Decimal("0.089")),
    Town("Granite Notch", "New Hampshire", "NH", "03251", Decimal(0)),
)

GIVEN_NAMES = ("Ada", "Bela", "Carla", "Devin", "Esra", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaya", "Lionel", "Mina")
FAMILY_NAMES = ("Abbot", "Brandt", "Castell", "Dunmore", "Ekwall", "Fenwick", "Garrow", "Hollis", "Ibarra", "Jessup", "Kellan")
STREETS = ("Mill Lane", "Weir Street", "Sluice Road", "Millpond Avenue", "Tailrace Drive", "Headgate Way")
