"""Names that nobody bears: households, companies, streets, phones and mail addresses from word lists.

Everything is drawn from the generator that is passed in, or counted from a serial number, so that one
seed always yields one world. Phone numbers lie in the range that is reserved for fiction (555-0100 to
555-0199) and mail addresses in the reserved domains ``example.com`` and ``example.org``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

T = TypeVar("T")

TREES = (
    "Alder", "Almond", "Apple", "Ash", "Aspen", "Bamboo", "Banyan", "Basswood", "Beech", "Birch", "Boxwood",
    "Buckeye", "Butternut", "Catalpa", "Cedar", "Cherry", "Chestnut", "Cottonwood", "Cypress", "Dogwood",
    "Elder", "Elm", "Eucalyptus", "Fig", "Fir", "Ginkgo", "Gum", "Hawthorn", "Hazel", "Hemlock", "Hickory",
    "Holly", "Hornbeam", "Ironwood", "Juniper", "Larch", "Laurel", "Lemon", "Linden", "Locust", "Magnolia",
    "Mahogany", "Mango", "Mangrove", "Maple", "Mulberry", "Oak", "Olive", "Orange", "Palm", "Palmetto",
    "Pear", "Pecan", "Persimmon", "Pine", "Pistachio", "Plum", "Poplar", "Quince", "Redbud", "Redwood",
    "Rowan", "Sassafras", "Sequoia", "Spruce", "Sumac", "Sycamore", "Tamarack", "Tupelo", "Walnut", "Willow",
    "Yew", "Zelkova",
)  # fmt: skip
BIRDS = (
    "Avocet", "Bittern", "Bluebird", "Bunting", "Cardinal", "Catbird", "Chickadee", "Coot", "Cormorant",
    "Crane", "Crossbill", "Curlew", "Dipper", "Dove", "Dunlin", "Egret", "Eider", "Falcon", "Finch",
    "Flicker", "Flycatcher", "Gannet", "Godwit", "Goldfinch", "Goose", "Grebe", "Grosbeak", "Grouse", "Gull",
    "Harrier", "Hawk", "Heron", "Hummingbird", "Ibis", "Jay", "Junco", "Kestrel", "Killdeer", "Kingfisher",
    "Kinglet", "Kite", "Lark", "Linnet", "Loon", "Mallard", "Martin", "Merlin", "Mockingbird", "Nighthawk",
    "Nuthatch", "Oriole", "Osprey", "Ovenbird", "Owl", "Pelican", "Petrel", "Phoebe", "Pigeon", "Pintail",
    "Pipit", "Plover", "Puffin", "Quail", "Rail", "Raven", "Robin", "Sanderling", "Sandpiper", "Shrike",
    "Siskin", "Snipe", "Sparrow", "Spoonbill", "Starling", "Stilt", "Stork", "Swallow", "Swan", "Swift",
    "Tanager", "Teal", "Tern", "Thrasher", "Thrush", "Titmouse", "Towhee", "Turnstone", "Veery", "Vireo",
    "Warbler", "Waxwing", "Whimbrel", "Wigeon", "Willet", "Woodcock", "Wren",
)  # fmt: skip
_STREET_KINDS = ("St", "Ave", "Ln", "Dr", "Ct", "Blvd", "Way", "Ter", "Cir", "Pl")
_COMPASS = ("", "", "", "N ", "S ", "E ", "W ", "SW ", "NE ")
_TOWNS = (
    ("Heron Bay", "34101", 26.14, -81.79),
    ("Palm Hollow", "34102", 26.12, -81.76),
    ("Cypress Landing", "34108", 26.25, -81.80),
    ("Pelican Shores", "34110", 26.28, -81.74),
    ("Egret Springs", "34119", 26.26, -81.71),
    ("Mangrove Point", "34134", 26.33, -81.82),
    ("Ibis Grove", "34135", 26.36, -81.73),
    ("Tern Harbor", "33928", 26.43, -81.80),
)
_HOUSEHOLDS = ("{tree} & {bird} Household", "{tree} {bird} Residence", "{bird} {tree} Family Pool")
_PREMISES = (
    "{bird} Court HOA",
    "{tree} Point Hotel",
    "{tree} Landing Apartments",
    "{bird} Bay Athletic Club",
    "{tree} Grove Condominiums",
    "{bird} Ridge Property Management",
    "{tree} & {bird} Builders",
    "{bird} Lake Community Association",
    "Town of {tree} {bird} Aquatics",
)
_PHONE_FORMATS = (
    "({area}) 555-{line}",
    "{area}-555-{line}",
    "{area}555{line}",
    "+1 {area} 555 {line}",
    "{area}.555.{line}",
    "1-{area}-555-{line}",
)
_AREA_CODES = tuple(str(code) for code in range(202, 990) if code % 100 != 11)
_LINES_PER_AREA = 100


class Address(TypedDict):
    """A postal address with its coordinates, as ServiceTitan writes it."""

    street: str
    unit: str | None
    city: str
    state: str
    zip: str
    country: str
    latitude: float
    longitude: float


def pick(rng: Random, choices: Sequence[T]) -> T:
    """Return one of *choices*, each equally likely."""
    return choices[int(rng.random() * len(choices))]


def household(rng: Random) -> str:
    """Return the name of a residential customer (``"Maple & Finch Household"``)."""
    return pick(rng, _HOUSEHOLDS).format(tree=pick(rng, TREES), bird=pick(rng, BIRDS))


def business(rng: Random) -> str:
    """Return the name of a commercial customer (``"Heron Court HOA"``)."""
    return pick(rng, _PREMISES).format(tree=pick(rng, TREES), bird=pick(rng, BIRDS))


def address(rng: Random) -> Address:
    """Return an address in one of the eight towns that the company serves."""
    town, postcode, latitude, longitude = pick(rng, _TOWNS)
    words = TREES if rng.random() < 0.5 else BIRDS
    street = f"{pick(rng, _COMPASS)}{pick(rng, words)} {pick(rng, _STREET_KINDS)}"
    unit = f"Unit {int(rng.random() * 40) + 1}" if rng.random() < 0.08 else None
    return {
        "street": f"{int(rng.random() * 9900) + 100} {street}",
        "unit": unit,
        "city": town,
        "state": "FL",
        "zip": postcode,
        "country": "USA",
        "latitude": round(latitude + rng.random() * 0.06, 7),
        "longitude": round(longitude + rng.random() * 0.06, 7),
    }


def phone(rng: Random, *, serial: int) -> str:
    """Return fictional phone number *serial*, written in one of the ways in which people write numbers.

    Numbers differ for different serials up to some 78,000.
    """
    area, line = divmod(serial, _LINES_PER_AREA)
    code = _AREA_CODES[area % len(_AREA_CODES)]
    return pick(rng, _PHONE_FORMATS).format(area=code, line=f"01{line:02d}")


def digits(number: str) -> str:
    """Return the ten digits of a *number* however it is written."""
    return "".join(filter(str.isdigit, number))[-10:]


def email(name: str, *, serial: int) -> str:
    """Return a mail address made of the words of *name*; no two serials share one."""
    words = "".join(letter if letter.isalpha() else " " for letter in name.lower()).split()
    domain = "example.org" if serial % 5 == 0 else "example.com"
    return f"{'.'.join(words[:2])}{serial}@{domain}"
