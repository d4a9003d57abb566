"""Strategies that make secrets and personal data, as Millrace meets them in payloads and error texts."""

import base64
import string

from hypothesis import strategies as st

_word = st.text(string.ascii_lowercase + string.digits, min_size=3, max_size=12)
_token = st.text(string.ascii_letters + string.digits, min_size=16, max_size=40)
_digits = st.text(string.digits, min_size=9, max_size=15)


def _with_check_digit(digits: str) -> str:
    for check in string.digits:
        number = [int(char) for char in reversed(digits + check)]
        if (sum(number[::2]) + sum(sum(divmod(2 * n, 10)) for n in number[1::2])) % 10 == 0:
            return digits + check
    raise AssertionError("one of ten check digits always fits")


emails = st.builds(lambda user, host: f"{user}@{host}.example.com", _word, _word)
cards = st.text(string.digits, min_size=14, max_size=15).map(_with_check_digit)
spaced_cards = cards.filter(lambda card: len(card) == 16).map(lambda card: " ".join(card[at : at + 4] for at in range(0, 16, 4)))
phones = st.one_of(
    _digits.map(lambda digits: f"+{digits}"),
    _digits.map(lambda digits: f"+{digits[:2]} ({digits[2:5]}) {digits[5:]}"),
)
bare_phones = st.text(string.digits, min_size=10, max_size=12).map(lambda d: f"{d[:3]}-{d[3:6]}-{d[6:]}")
tokens = st.one_of(
    _token.map(lambda token: f"Bearer {token}"),
    _token.map(lambda token: f"whsec_{token}"),
    _token.map(lambda token: f"sk_live_{token}"),
    _token.map(lambda token: f"shpat_{token}"),
    _token.map(lambda token: f"eyJ{token}.{token}.{token}"),
)
long_base64 = st.binary(min_size=24, max_size=60).map(lambda raw: base64.b64encode(raw).decode())

unmistakable = st.one_of(emails, cards, spaced_cards, phones, tokens)
anything = st.one_of(unmistakable, bare_phones, long_base64)
surroundings = st.sampled_from(["", "refused: ", "field=", "'", '"', "(", "<", "value ", "password: ", "\n", "é "])
