"""Money as whole pico-dollars (1e-12 USD): prices per million tokens stay exact in a 64-bit integer."""

from decimal import Decimal
from typing import Final

PICO_PER_USD: Final = 10**12


def to_pico(usd: Decimal) -> int:
    """Turn dollars into pico-dollars, rounding up: spend is never understated."""
    return int((usd * PICO_PER_USD).to_integral_value(rounding="ROUND_CEILING"))


def to_usd(pico: int) -> str:
    """Write pico-dollars as the decimal string the API shows, at least two decimals."""
    text = f"{Decimal(pico) / PICO_PER_USD:f}"
    whole, _, part = text.partition(".")
    return f"{whole}.{part.rstrip('0').ljust(2, '0')}"
