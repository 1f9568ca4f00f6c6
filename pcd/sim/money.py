"""Invoices, their items, and payments. Amounts are cents until they stand in a record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from pcd.sim import dialect, staff, trade

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from pcd.sim.dialect import Record
    from pcd.sim.people import Account, Site
    from pcd.sim.store import Store

TAX_RATE = Decimal("0.065")
PAYMENT_TYPES = {"Credit Card": "2601", "Check": "2602", "ACH": "2603", "Cash": "2604"}
TERMS = {"Due Upon Receipt": 0, "Net 15": 15, "Net 30": 30}
_LEDGERS = {
    "Service": {"id": 4001, "name": "Service Revenue", "number": "4010"},
    "Material": {"id": 4002, "name": "Material Sales", "number": "4020"},
    "Equipment": {"id": 4003, "name": "Equipment Sales", "number": "4030"},
}
LEDGERS: dict[str, Record] = {
    kind: ledger | {"type": "Income", "detailType": "SalesOfProductIncome"}
    for kind, ledger in _LEDGERS.items()
}


@dataclass(frozen=True, slots=True)
class Line:
    """*quantity* of a SKU at *price* cents each; *estimate_item_id* where it was sold by an estimate."""

    sku: trade.Sku
    quantity: int
    price: int
    estimate_item_id: int | None = None

    @property
    def total(self) -> int:
        """The amount in cents."""
        return self.quantity * self.price


def text(cents: int) -> str:
    """Return an amount as invoices and payments carry it (``"1250.00"``)."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def cents(text: str) -> int:
    """Read what `text` wrote."""
    return int(Decimal(text).scaleb(2))


def dollars(cents: int) -> Decimal:
    """Return an amount as the other records carry it, a number."""
    return Decimal(cents).scaleb(-2)


def tax(lines: Sequence[Line]) -> int:
    """Return the sales tax on *lines* in cents; services are not taxed."""
    taxable = sum(line.total for line in lines if line.sku.kind != "Service")
    return int((taxable * TAX_RATE).quantize(Decimal(1), ROUND_HALF_UP))


_INVOICE: Record = {
    "budgetCodeId": None,
    "invoiceDate": None,
    "dueDate": None,
    "subTotal": "0.00",
    "salesTax": "0.00",
    "salesTaxCode": {"id": 2701, "name": "FL County", "taxRate": TAX_RATE},
    "taxZoneId": 2702,
    "total": "0.00",
    "balance": "0.00",
    "batch": None,
    "depositedOn": None,
    "adjustmentToId": None,
    "projectId": None,
    "royalty": {"status": "Pending", "date": None, "sentOn": None, "memo": None},
    "employeeInfo": None,
    "commissionEligibilityDate": None,
    "assignedTo": None,
    "discountTotal": "0.00",
    "importId": None,
    "exportId": None,
    "materialSkuId": None,
    "membershipId": None,
    "paidOn": None,
}


def open_invoice(
    account: Account,
    *,
    invoice_id: int,
    site: Site,
    unit: trade.Unit,
    job: Record | None,
    summary: str,
) -> Record:
    """Return the empty invoice that stands beside a new job (or a membership), without its dates."""
    number = job["jobNumber"] if job else str(invoice_id)
    postal = {key: site.address[key] for key in ("street", "unit", "city", "state", "zip", "country")}
    return _INVOICE | {
        "id": invoice_id,
        "syncStatus": "Pending",
        "referenceNumber": number,
        "invoiceType": {"id": 2801, "name": "Service"} if job else {"id": 2802, "name": "Membership"},
        "customer": {"id": account.id, "name": account.name},
        "customerAddress": postal,
        "location": {"id": site.id, "name": site.name},
        "locationAddress": postal,
        "businessUnit": {"id": unit.id, "name": unit.name},
        "termName": "Net 30" if account.is_commercial else "Due Upon Receipt",
        "createdBy": staff.AGENTS[account.id % len(staff.AGENTS)].name,
        "job": {"id": job["id"], "number": number, "type": trade.job_type(job["jobTypeId"]).name}
        if job
        else None,
        "sentStatus": "NotSent",
        "reviewStatus": "NeedsReview",
        "summary": summary,
        "items": [],
        "customFields": [{"name": staff.PURCHASE_ORDER.name, "value": f"PO-{invoice_id % 9973:04d}"}]
        if account.is_commercial
        else [],
        "invoiceConfiguration": "JobInvoice" if job else "MembershipInvoice",
        "active": True,
    }


_ITEM: Record = {
    "budgetCodeId": None,
    "inventoryLocationId": None,
    "inventoryLocation": None,
    "inventory": False,
    "isChargeable": True,
    "costOfSaleAccount": None,
    "assetAccount": None,
    "membershipTypeId": 0,
    "displayInAmount": True,
    "importId": None,
    "exportId": None,
    "inventoryStatus": None,
    "addOn": False,
    "memberPrice": None,
    "installedEquipmentId": None,
}


def _item(
    line: Line, *, item_id: int, order: int, stamp: str, technician_id: int | None, unit: Record
) -> Record:
    sku = line.sku
    return _ITEM | {
        "id": item_id,
        "description": f"<p>{sku.title}</p>",
        "quantity": f"{line.quantity}.00",
        "cost": text(sku.cost),
        "totalCost": text(sku.cost * line.quantity),
        "price": text(line.price),
        "type": sku.kind,
        "skuName": sku.code,
        "skuId": sku.id,
        "total": text(line.total),
        "taxable": sku.kind != "Service",
        "generalLedgerAccount": LEDGERS[sku.kind],
        "itemGroup": None,
        "displayName": sku.title,
        "soldHours": Decimal(str(sku.hours * line.quantity)),
        "createdOn": stamp,
        "modifiedOn": stamp,
        "serviceDate": stamp,
        "order": order,
        "businessUnit": unit,
        "createdById": staff.BOOKKEEPER.id,
        "technicianId": technician_id,
        "estimateItemId": line.estimate_item_id,
    }


def charge(  # noqa: PLR0913 - one keyword each for what is charged
    store: Store,
    invoice: Record,
    lines: Sequence[Line],
    *,
    at: datetime,
    on: date,
    technician_id: int | None = None,
    late_by: timedelta = timedelta(),
) -> int:
    """Write *lines* onto an empty *invoice*, put its items, and return the total in cents.

    The invoice bears the date *on*, moved back by *late_by* where somebody did the paperwork late.
    """
    said = {"stamp": dialect.instant(at), "technician_id": technician_id, "unit": invoice["businessUnit"]}
    items = [_item(line, item_id=store.next_id(), order=order, **said) for order, line in enumerate(lines)]
    for item in items:
        record = item | {"active": True, "invoiceId": invoice["id"]}
        store["invoice_items"].put(record, created_at=at, modified_at=at)
    subtotal, sales_tax = sum(line.total for line in lines), tax(lines)
    invoice |= {
        "items": items,
        "invoiceDate": on - late_by,
        "dueDate": on - late_by + timedelta(days=TERMS[invoice["termName"]]),
        "subTotal": text(subtotal),
        "salesTax": text(sales_tax),
        "total": text(subtotal + sales_tax),
        "balance": text(cents(invoice["balance"]) + subtotal + sales_tax),
        "sentStatus": "Sent",
        "reviewStatus": "Reviewed",
    }
    return subtotal + sales_tax


def pay(
    store: Store, invoice: Record, amount: int, *, at: datetime, method: str, memo: str | None = None
) -> None:
    """Put a payment of *amount* cents and take it off the *invoice*."""
    payment_id = store.next_id()
    store["payments"].put(
        _payment(invoice, amount, payment_id=payment_id, at=at, method=method, memo=memo)
        | {"appliedTo": [_applied(invoice, amount, payment_id=payment_id, at=at)], "active": True},
        created_at=at,
        modified_at=at,
    )
    balance = cents(invoice["balance"]) - amount
    invoice["balance"] = text(balance)
    if balance <= 0:
        invoice["paidOn"] = at


def void_payment(store: Store, invoice: Record, amount: int, *, at: datetime) -> None:
    """Put a payment that was entered by mistake and voided: inactive, applied to nothing."""
    record = _payment(invoice, amount, payment_id=store.next_id(), at=at, method="Check", memo="Voided")
    store["payments"].put(record | {"appliedTo": [], "active": False}, created_at=at, modified_at=at)


def _applied(invoice: Record, amount: int, *, payment_id: int, at: datetime) -> Record:
    return {
        "appliedAmount": text(amount),
        "appliedBy": staff.BOOKKEEPER.name,
        "appliedId": payment_id + 500_000_000,
        "appliedOn": at,
        "appliedTo": invoice["id"],
        "appliedToReferenceNumber": invoice["referenceNumber"],
    }


def _payment(
    invoice: Record, amount: int, *, payment_id: int, at: datetime, method: str, memo: str | None
) -> Record:
    return {
        "id": payment_id,
        "syncStatus": "Exported",
        "referenceNumber": str(payment_id),
        "date": at.astimezone(trade.ZONE).date(),
        "type": method,
        "typeId": PAYMENT_TYPES[method],
        "total": text(amount),
        "unappliedAmount": "0.00",
        "memo": memo,
        "customer": invoice["customer"],
        "batch": {"id": 2900 + at.month, "number": f"{at:%Y%m}", "name": f"Deposits {at:%B %Y}"},
        "businessUnit": invoice["businessUnit"],
        "createdBy": staff.BOOKKEEPER.name,
        "deposit": None,
        "generalLedgerAccount": None,
        "authCode": f"{payment_id % 999_983:06d}" if method == "Credit Card" else None,
        "checkNumber": str(1000 + payment_id % 8999) if method == "Check" else None,
        "customFields": [],
        "refundedPaymentId": None,
    }
