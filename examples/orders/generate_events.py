#!/usr/bin/env python3
"""Writes events.ndjson: the same orders every time, about one in six of them with something unusual.

Usage: python3 examples/orders/generate_events.py > examples/orders/events.ndjson
"""
import datetime
import json
import random
import unicodedata

ORDERS = 300
CATALOGUE = [
    ("LMP-204", "Desk lamp, brass", 39.5), ("CBL-011", "USB-C cable, 2 m", 7.25), ("DSK-330", "Standing desk", 489.0),
    ("CHR-118", "Office chair", 229.9), ("MAT-052", "Desk mat, felt", 24.0), ("MON-270", "Monitor, 27 inch", 319.0),
    ("ARM-015", "Monitor arm", 84.9), ("HUB-007", "Hub with 7 ports", 45.0), ("KEY-101", "Keyboard", 119.0),
    ("MSE-033", "Mouse, left-handed", 49.9), ("SHF-064", "Shelf, oak", 74.5), ("BIN-002", "Waste paper bin", 12.95),
]
NAMES = ["Ada Lindqvist", "Jürgen Weiß", "Zoë Martin", "Noor de Vries", "Chloé Bernard", "Max Huber", "Ines Köhler",
         "Piotr Zieliński", "Sanne Bakker", "Théo Laurent", "Greta O'Neill", "Emil \"Milo\" Gruber"]
CITIES = {"DE": ["10115", "20095", "80331"], "AT": ["1010", "5020"], "FR": ["75011", "69002"], "NL": ["1012 AB", "3511 LN"]}
WAREHOUSES = ["BER-2", "LYS-1", "AMS-4"]


def main():
    draw = random.Random(20261118)
    placed = datetime.datetime(2026, 11, 18, 6, 0)
    for number in range(ORDERS):
        placed += datetime.timedelta(seconds=draw.randint(5, 240))
        print(json.dumps(order(draw, number, placed), ensure_ascii=False, separators=(",", ":")))


def order(draw, number, placed):
    country = draw.choice(list(CITIES))
    name = draw.choice(NAMES)
    tier = draw.choices(["standard", "gold", "new"], [6, 2, 2])[0]
    items = [item(draw, product) for product in draw.sample(CATALOGUE, draw.choices([1, 2, 3, 4, 6], [5, 5, 4, 2, 1])[0])]
    total = round(sum(entry["quantity"] * entry["unitPrice"] for entry in items), 2)
    made = {
        "orderId": f"ord-2026-{118000 + number}",
        "placedAt": placed.isoformat() + "Z",
        "customer": {"id": f"cus-{draw.randint(10000, 99999)}", "name": name,
                     "email": f"{ascii_of(name.split()[0]).lower()}@example.com", "tier": tier},
        "currency": "EUR",
        "items": items,
        "payment": payment(draw, total),
        "shipping": {"method": draw.choices(["standard", "express", "pickup"], [6, 2, 2])[0], "country": country,
                     "postcode": draw.choice(CITIES[country])},
        "total": total,
    }
    if draw.random() < 1 / 6:
        draw.choice(TWISTS)(made)
    return made


def ascii_of(name):
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


def item(draw, product):
    sku, name, price = product
    quantity = draw.choices([1, 2, 4], [7, 2, 1])[0]
    return {"sku": sku, "name": name, "quantity": quantity, "unitPrice": price,
            "stock": {"warehouse": draw.choice(WAREHOUSES), "available": quantity + draw.randint(0, 40)}}


def payment(draw, total):
    method = draw.choices(["card", "invoice", "voucher"], [6, 3, 1])[0]
    if method == "card":
        return {"method": method, "validUntil": f"20{draw.randint(27, 31)}-{draw.randint(1, 12):02}-01T00:00:00Z"}
    if method == "voucher":
        return {"method": method, "balance": round(total + draw.randint(0, 50), 2)}
    return {"method": method}


# ------------------------------------------------------------------ what can be unusual about an order
def no_address(made):
    del made["customer"]["email"]


def misspelt_address(made):
    made["customer"]["email"] = "nobody at example"


def blocked(made):
    made["customer"]["blocked"] = True


def far_away(made):
    made["shipping"] = {"method": "express", "country": "NZ", "postcode": "6011"}


def expired_card(made):
    made["payment"] = {"method": "card", "validUntil": "2026-10-01T00:00:00Z"}


def small_voucher(made):
    made["payment"] = {"method": "voucher", "balance": 5}


def out_of_stock(made):
    made["items"][0]["stock"]["available"] = 0


def backordered(made):
    made["items"][-1]["stock"]["available"] = 0
    made["items"][-1]["backorder"] = True


def large_first_order(made):
    made["customer"]["tier"] = "new"
    made["items"] = [{"sku": "DSK-330", "name": "Standing desk", "quantity": 4, "unitPrice": 489.0,
                      "stock": {"warehouse": "BER-2", "available": 9}}]
    made["total"] = 1956.0
    made["payment"] = {"method": "invoice"}


TWISTS = [no_address, misspelt_address, blocked, far_away, expired_card, small_voucher, out_of_stock, backordered,
          large_first_order]

if __name__ == "__main__":
    main()
