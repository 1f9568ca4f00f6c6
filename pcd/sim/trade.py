"""What the simulated pool company sells and does: units, kinds of job, price book, proposals.

Everything here is fixed and has a fixed id, so that whoever meets a store can speak about it without
looking it up. Amounts are in cents.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/New_York")
SEASON = (0.45, 0.5, 0.85, 1.15, 1.45, 1.6, 1.6, 1.4, 1.1, 0.8, 0.6, 0.5)
"""How busy each month is, January first; 1 is the mean."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A business unit."""

    id: int
    name: str
    trade: str


@dataclass(frozen=True, slots=True)
class Sku:
    """A line of the price book; *kind* as invoices say it (Service, Material or Equipment)."""

    id: int
    code: str
    title: str
    kind: str
    price: int
    cost: int
    hours: float = 0.0


@dataclass(frozen=True, slots=True)
class JobType:
    """A kind of job; *charges* are always billed, *extras* now and then."""

    id: int
    name: str
    unit: Unit
    minutes: int
    summaries: tuple[str, ...]
    charges: tuple[Sku, ...] = ()
    extras: tuple[Sku, ...] = ()
    priority: str = "Normal"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a consultation may propose: SKUs with quantities, and the job that follows a sale."""

    name: str
    becomes: JobType
    lines: tuple[tuple[Sku, int], ...]


POOL_SALES = Unit(301, "Pool - Sales", "Pool")
POOL_SERVICE = Unit(302, "Pool - Service", "Pool")
POOL_INSTALL = Unit(303, "Pool - Install", "Pool")
ELECTRICAL_SALES = Unit(311, "Electrical - Sales", "Electrical")
ELECTRICAL_SERVICE = Unit(312, "Electrical - Service", "Electrical")
ELECTRICAL_INSTALL = Unit(313, "Electrical - Install", "Electrical")
PLUMBING = Unit(321, "Plumbing", "Plumbing")
UNITS = (
    POOL_SALES,
    POOL_SERVICE,
    POOL_INSTALL,
    ELECTRICAL_SALES,
    ELECTRICAL_SERVICE,
    ELECTRICAL_INSTALL,
    PLUMBING,
)

CLEANING = Sku(5001, "S-CLEAN", "Pool cleaning and water balance", "Service", 14500, 4800, 0.75)
FILTER_WASH = Sku(5002, "S-FILT", "Filter deep clean", "Service", 18900, 5200, 1.0)
DIAGNOSTIC = Sku(5003, "S-DIAG", "Equipment diagnostic", "Service", 12900, 4100, 0.75)
REPAIR_HOUR = Sku(5004, "S-LABOR", "Repair labor, one hour", "Service", 16500, 5800, 1.0)
GREEN_RECOVERY = Sku(5005, "S-GREEN", "Green pool recovery", "Service", 49500, 15500, 3.0)
LEAK_TEST = Sku(5006, "S-LEAK", "Leak detection with pressure test", "Service", 42500, 12800, 2.5)
PANEL_CHECK = Sku(5008, "S-PANEL", "Control panel service", "Service", 28500, 8900, 1.5)
CHLORINE = Sku(5101, "M-CHLOR", "Chlorine tablets, 5 lb", "Material", 3800, 1700)
ACID = Sku(5102, "M-ACID", "Muriatic acid, 2 gal", "Material", 2400, 900)
SALT = Sku(5103, "M-SALT", "Pool salt, 40 lb", "Material", 1800, 700)
SEAL = Sku(5104, "M-SEAL", "Pump shaft seal kit", "Material", 6200, 2100)
CARTRIDGE = Sku(5105, "M-CART", "Filter cartridge", "Material", 11800, 5400)
LAMP = Sku(5106, "M-LAMP", "LED lamp, 12 V", "Material", 8900, 3900)
PIPE = Sku(5107, "M-PVC", "PVC pipe and fittings", "Material", 4600, 1500)
BREAKER = Sku(5108, "M-BRKR", "GFCI breaker", "Material", 7800, 3300)
VALVE = Sku(5109, "M-VALVE", "Diverter valve", "Material", 9600, 4200)
PUMP = Sku(5201, "E-PUMP", "Variable speed pump, 2.7 hp", "Equipment", 189500, 98000)
FILTER = Sku(5202, "E-FILT", "Cartridge filter, 420 sq ft", "Equipment", 129000, 64000)
HEATER = Sku(5203, "E-HEAT", "Heat pump, 125k BTU", "Equipment", 465000, 271000)
SALT_CELL = Sku(5204, "E-CELL", "Salt chlorine generator", "Equipment", 219000, 118000)
AUTOMATION = Sku(5205, "E-AUTO", "Pool automation controller", "Equipment", 345000, 188000)
LED_LIGHT = Sku(5206, "E-LED", "Color LED pool light", "Equipment", 98000, 46000)
EQUIPMENT = (PUMP, FILTER, HEATER, SALT_CELL, AUTOMATION, LED_LIGHT)
INSTALL_HOUR = Sku(5301, "I-LABOR", "Installation labor, one hour", "Service", 18500, 6900, 1.0)
PERMIT = Sku(5302, "I-PERMIT", "Permit and inspection", "Service", 45000, 32000)
RESURFACING = Sku(5303, "I-SURF", "Pebble resurfacing", "Service", 1450000, 780000, 40.0)
TILE = Sku(5304, "I-TILE", "Waterline tile, linear foot", "Material", 5400, 2300)
DECKING = Sku(5305, "I-DECK", "Paver deck, square foot", "Material", 2800, 1250)
WATER_FEATURE = Sku(5306, "I-WATER", "Rock waterfall", "Service", 680000, 365000, 24.0)
NEW_POOL = Sku(5307, "I-POOL", "Gunite pool shell, 16 x 32 ft", "Service", 5200000, 3150000, 160.0)
CIRCUIT = Sku(5308, "I-CIRC", "Bonded circuit with subpanel", "Service", 145000, 61000, 6.0)
MEMBERSHIP_FEE = Sku(5401, "MEM-CARE", "Annual pool care plan", "Service", 34800, 0)

CARE = JobType(
    401,
    "Pool Service Visit",
    POOL_SERVICE,
    60,
    (
        "Regular visit: brush, vacuum, empty baskets, balance the water.",
        "Care plan visit. Check salt level and note the filter pressure.",
        "Regular visit; the gate is to be kept closed because of the dog.",
        "Clean and balance, then show the owner how to backwash the filter.",
    ),
    (CLEANING,),
    (CHLORINE, ACID, SALT),
)
REPAIR = JobType(
    402,
    "Equipment Repair",
    POOL_SERVICE,
    120,
    (
        "Pump is loud and loses prime overnight. Check the seals and the lid gasket.",
        "Heater shows a flow error and shuts off after two minutes.",
        "Filter pressure is high a week after cleaning; cartridge may be torn.",
        "Salt system reports low output although the salt level is fine.",
        "Water is dripping from the multiport valve onto the equipment pad.",
    ),
    (DIAGNOSTIC, REPAIR_HOUR),
    (SEAL, CARTRIDGE, VALVE, SALT),
    "High",
)
RECOVERY = JobType(
    403,
    "Green Pool Recovery",
    POOL_SERVICE,
    180,
    (
        "Pool turned green while the owners were away for three weeks.",
        "Algae on the walls and cloudy water after the storm; pump was off.",
    ),
    (GREEN_RECOVERY,),
    (CHLORINE, ACID, CARTRIDGE),
    "High",
)
FILTER_CARE = JobType(
    404,
    "Filter Cleaning",
    POOL_SERVICE,
    75,
    ("Twice-yearly filter clean; replace the cartridge if pleats are worn.",),
    (FILTER_WASH,),
    (CARTRIDGE, SEAL),
)
PANEL_REPAIR = JobType(
    411,
    "Electrical Repair",
    ELECTRICAL_SERVICE,
    90,
    (
        "Breaker for the pool pump trips after rain.",
        "Pool light is out; the transformer hums.",
        "Automation panel lost its schedule after an outage.",
    ),
    (PANEL_CHECK,),
    (BREAKER, LAMP),
)
PLUMBING_REPAIR = JobType(
    421,
    "Leak Detection and Repair",
    PLUMBING,
    150,
    (
        "Pool loses an inch a day; the auto-fill runs all night.",
        "Wet spot by the equipment pad, suspected return line leak.",
    ),
    (LEAK_TEST,),
    (PIPE, VALVE),
    "Urgent",
)
CONSULTATION = JobType(
    431,
    "Design Consultation",
    POOL_SALES,
    90,
    (
        "Owners want to renew the equipment pad and hear about running costs.",
        "Consultation about resurfacing, tile and a larger deck.",
        "New house without a pool; measure the yard and talk about shapes.",
    ),
)
LIGHT_CONSULTATION = JobType(
    432,
    "Lighting Consultation",
    ELECTRICAL_SALES,
    60,
    ("Owners ask for color lights in the pool and along the path.",),
)
INSTALLATION = JobType(
    441,
    "Equipment Installation",
    POOL_INSTALL,
    420,
    ("Install the equipment as sold. Turn off power at the main panel first; photos of the old pad needed.",),
)
REMODEL = JobType(
    442,
    "Pool Remodel",
    POOL_INSTALL,
    480,
    ("Remodel as sold. Drain two days ahead; materials are delivered to the driveway.",),
)
CONSTRUCTION = JobType(
    443,
    "New Pool Construction",
    POOL_INSTALL,
    480,
    ("New pool as sold. Permit and utility marking must be done before digging.",),
)
LIGHT_INSTALLATION = JobType(
    444,
    "Lighting Installation",
    ELECTRICAL_INSTALL,
    300,
    ("Install lights and circuit as sold; inspection is booked for the second day.",),
)
JOB_TYPES = (
    CARE,
    REPAIR,
    RECOVERY,
    FILTER_CARE,
    PANEL_REPAIR,
    PLUMBING_REPAIR,
    CONSULTATION,
    LIGHT_CONSULTATION,
    INSTALLATION,
    REMODEL,
    CONSTRUCTION,
    LIGHT_INSTALLATION,
)
REPAIRS = (REPAIR, REPAIR, REPAIR, FILTER_CARE, FILTER_CARE, RECOVERY, PANEL_REPAIR, PLUMBING_REPAIR)
"""What a customer calls about, as often as it stands here."""
CONSULTATIONS = (CONSULTATION, CONSULTATION, CONSULTATION, LIGHT_CONSULTATION)

PROPOSALS = (
    Proposal(
        "Energy saver equipment set",
        INSTALLATION,
        ((PUMP, 1), (FILTER, 1), (SALT_CELL, 1), (INSTALL_HOUR, 16), (PERMIT, 1)),
    ),
    Proposal(
        "Heat pump and automation",
        INSTALLATION,
        ((HEATER, 1), (AUTOMATION, 1), (INSTALL_HOUR, 14), (PERMIT, 1)),
    ),
    Proposal(
        "Resurfacing and new tile",
        REMODEL,
        ((RESURFACING, 1), (TILE, 90), (INSTALL_HOUR, 8)),
    ),
    Proposal(
        "Paver deck and waterfall",
        REMODEL,
        ((DECKING, 620), (WATER_FEATURE, 1), (INSTALL_HOUR, 12), (PERMIT, 1)),
    ),
    Proposal(
        "New pool with equipment",
        CONSTRUCTION,
        ((NEW_POOL, 1), (PUMP, 1), (FILTER, 1), (SALT_CELL, 1), (LED_LIGHT, 2), (TILE, 96), (PERMIT, 2)),
    ),
)
LIGHT_PROPOSALS = (
    Proposal(
        "Pool and path lighting",
        LIGHT_INSTALLATION,
        ((LED_LIGHT, 6), (CIRCUIT, 2), (INSTALL_HOUR, 6)),
    ),
)


def proposals(job_type: JobType) -> tuple[Proposal, ...]:
    """Return what a consultation of this kind may propose."""
    return LIGHT_PROPOSALS if job_type is LIGHT_CONSULTATION else PROPOSALS


def job_type(type_id: int) -> JobType:
    """Return the kind of job with this id; KeyError if there is none."""
    return _JOB_TYPES[type_id]


_JOB_TYPES = {kind.id: kind for kind in JOB_TYPES}
