"""Canonical documents for the seeded ERP, what it holds afterwards, and postings of them."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from adapters.erps.base import Posting, References, RefKind
from adapters.erps.tryton.adapter import KEY_LENGTH
from canonical.keys import fit
from canonical.operation import Operation
from canonical.order import Charge, Order, OrderLine, Tax
from canonical.returns import Return, ReturnLine
from canonical.shipment import Shipment, ShipmentLine
from tests.tryton_erp import TrytonErp

NOW = datetime.now(UTC)
SOURCE = "shopify-eu"
_numbers = itertools.count(1)


@dataclass
class Desk:
    """Makes the documents of one order under a key nobody else uses."""

    erp: TrytonErp
    name: str
    key: str = field(init=False)

    def __post_init__(self) -> None:
        self.key = f"{next(_numbers)}-{self.name[:20]}".replace("[", "").replace("]", "")

    @property
    def web_id(self) -> str:
        """Key of the order's sale."""
        return fit(SOURCE, self.key, KEY_LENGTH)

    def reference(self, part: str) -> str:
        """Key of a shipment."""
        return fit(SOURCE, f"{self.key}-{part}", KEY_LENGTH)

    def references(self, **more: dict[str, str]) -> References:
        """Cross-references of the seed: items by SKU, the one tax, the shipping charge."""
        products = {sku: str(number) for sku, number in self.erp.ids["products"].items()}
        known: dict[RefKind, Mapping[str, str]] = {
            "item": products,
            "tax": {"Sales tax": str(self.erp.ids["tax"])},
            "charge": {"shipping": products["SHIPPING"]},
        }
        known.update(cast("dict[RefKind, Mapping[str, str]]", more))
        return References(known)

    def order(self, lines: tuple[OrderLine, ...] | None = None, total: str | None = None, **more: Any) -> Order:
        """Three pieces discounted, one plain, shipping: 43.56 with tax unless told otherwise."""
        lines = lines or (
            line("L1", "SKU-0001", 3, "10.99", discount="3.30", tax="2.37"),
            line("L2", "SKU-0002", 1, "5.00", tax="0.40"),
        )
        charges = more.pop("charges", (Charge(code="shipping", price=Decimal("4.99")),))
        net = sum((part.net for part in (*lines, *charges)), Decimal(0))
        tax = sum((part.tax for part in (*lines, *charges)), Decimal(0))
        due = Decimal(total) if total else net + (Decimal(0) if more.get("prices_include_tax") else tax)
        return Order(
            source=SOURCE, key=self.key, as_of=NOW, number=f"#{self.key}", placed_at=NOW, currency="USD",
            lines=lines, charges=charges, total_tax=tax, total=due, **more,
        )  # fmt: skip

    def shipment(self, part: str, pieces: dict[str, int], **more: Any) -> Shipment:
        """Pieces by order line, sent now."""
        lines = tuple(ShipmentLine(order_line=key, sku="SKU-0001", quantity=n) for key, n in pieces.items())
        return Shipment(
            source=SOURCE, key=f"{self.key}-{part}", as_of=NOW, order_key=self.key, shipped_at=NOW, lines=lines, **more
        )

    def refund(self, part: str, total: str, lines: tuple[ReturnLine, ...] = (), **more: Any) -> Return:
        """A refund of ``total``."""
        return Return(
            source=SOURCE, key=f"{self.key}-{part}", as_of=NOW, order_key=self.key, returned_at=NOW, currency="USD",
            lines=lines, total=Decimal(total), **more,
        )  # fmt: skip

    def posting(
        self, operation: Operation, document: Order | Shipment | Return, attempt: int = 1, references: References | None = None
    ) -> Posting:
        """The delivery of a document."""
        order = document if isinstance(document, Order) else None
        return Posting(1, operation, 1, document, order, references or self.references(), None, attempt, "corr-1")

    def sales(self, prefix: str = "") -> list[str]:
        """``state|total`` of the sales under this order's key (a return's prefix is RETURN_PREFIX)."""
        where = f"web_id like '{prefix}{self.web_id}%'"
        return self.erp.sql(f"select state, total_amount_cache from sale_sale where {where} order by id")

    def lines(self) -> list[str]:
        """``note|product|quantity|price|taxes`` of the sale's lines."""
        return self.erp.sql(
            "select l.note, p.code, l.quantity, l.unit_price,"
            ' (select count(*) from "sale_line-account_tax" t where t.line = l.id)'
            " from sale_line l join sale_sale s on s.id = l.sale left join product_product p on p.id = l.product"
            f" where s.web_id = '{self.web_id}' order by l.id"
        )

    def parcels(self) -> list[str]:
        """``reference|state|pieces`` of the order's customer shipments that are not cancelled."""
        return self.erp.sql(
            "select coalesce(h.reference, ''), h.state, sum(m.quantity) from stock_shipment_out h"
            " join stock_move m on m.shipment = 'stock.shipment.out,' || h.id and m.origin like 'sale.line,%'"
            " join sale_line l on m.origin = 'sale.line,' || l.id join sale_sale s on s.id = l.sale"
            f" where s.web_id = '{self.web_id}' and h.state <> 'cancelled' group by h.id order by h.id"
        )

    def invoices(self, prefix: str = "") -> list[str]:
        """``state|untaxed`` of the invoices of the sales under this key."""
        return self.erp.sql(
            "select i.state, coalesce(i.total_amount_cache, 0) from account_invoice i where i.id in"
            " (select v.invoice from account_invoice_line v join sale_line l on v.origin = 'sale.line,' || l.id"
            f" join sale_sale s on s.id = l.sale where s.web_id like '{prefix}{self.web_id}%') order by i.id"
        )

    def notes(self) -> list[str]:
        """Notes on this order's customer shipments."""
        return self.erp.sql(
            "select n.message from ir_note n join stock_shipment_out h on n.resource = 'stock.shipment.out,' || h.id"
            f" where h.reference like '{self.web_id}%' order by n.id"
        )

    def stock(self, sku: str) -> int:
        """Pieces of a product in the storage area."""
        storage, product = self.erp.ids["storage"], self.erp.ids["products"][sku]
        moved = f"coalesce(sum(case when to_location = {storage} then quantity else -quantity end), 0)"
        [row] = self.erp.sql(
            f"select {moved} from stock_move where state = 'done' and product = {product}"
            f" and (to_location = {storage}) <> (from_location = {storage})"
        )
        return int(float(row))


def line(key: str, sku: str, quantity: int, price: str, *, discount: str = "0", tax: str = "0") -> OrderLine:
    """An order line with the seeded tax when ``tax`` is above 0."""
    taxes = (Tax(title="Sales tax", rate=Decimal("0.08"), amount=Decimal(tax)),) if Decimal(tax) else ()
    return OrderLine(key=key, sku=sku, quantity=quantity, unit_price=Decimal(price), discount=Decimal(discount), taxes=taxes)


def back(key: str, quantity: int, net: str, tax: str = "0", *, restock: bool = True) -> ReturnLine:
    """Pieces given back."""
    return ReturnLine(order_line=key, sku="SKU-0001", quantity=quantity, restock=restock, net=Decimal(net), tax=Decimal(tax))
