"""Phone numbers: every form that one number arrives in, and what is not a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringtrue.phone import NumberPlan, normalise


@pytest.mark.parametrize(
    "written",
    [
        "0612345678",
        " 0612345678 ",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "06-12-34-56-78",
        "06\N{NO-BREAK SPACE}12\N{NARROW NO-BREAK SPACE}34 5678",
        "\N{LEFT-TO-RIGHT EMBEDDING}0612345678\N{POP DIRECTIONAL FORMATTING}",
        "06\N{NON-BREAKING HYPHEN}12345678",
        "612345678",
        "612345678.0",
        "612345678,00",
        "6.12345678E+08",
        "6,12345678E+08",
        "6.12345678e8",
        "212612345678",
        "212612345678.0",
        "2.12612345678E+11",
        "+212612345678",
        "+212 6 12 34 56 78",
        "+212 (0)6 12 34 56 78",
        "00212612345678",
        "00212 0612345678",
        "'0612345678",
    ],
)
def test_every_form_of_a_number_is_the_same_number(written: str) -> None:
    assert normalise(written) == "212612345678"


@pytest.mark.parametrize(
    ("written", "number"),
    [("0712345678", "212712345678"), ("0522123456", "212522123456"), ("522123456", "212522123456")],
)
def test_mobile_and_fixed_lines_are_numbers(written: str, number: str) -> None:
    assert normalise(written) == number


@pytest.mark.parametrize(
    "written",
    [
        "",
        "   ",
        "inconnu",
        "0812345678",  # a service number
        "061234567",  # a digit short
        "06123456789",  # a digit too many
        "+33612345678",  # another country
        "0033612345678",
        "+612345678",  # international, and not of this country
        "00612345678",
        "0612345678/0698765432",  # two numbers: which one is the client's?
        "212812345678",
        "612345678.5",
        "0612345678.0x",
    ],
)
def test_what_is_not_one_whole_number_is_refused(written: str) -> None:
    assert normalise(written) is None


@pytest.mark.parametrize("written", ["6.12E+08", "6.12346E+08", "6.123457e+08", "2.12612E+11"])
def test_a_number_whose_last_digits_a_spreadsheet_rounded_away_is_refused(written: str) -> None:
    assert normalise(written) is None


@given(st.from_regex(r"[567][0-9]{8}", fullmatch=True), st.text("0123456789+-. ()E", max_size=4))
def test_the_result_is_always_country_code_and_nine_digits(subscriber: str, around: str) -> None:
    assert normalise(f"0{subscriber}") == normalise(f"{float(subscriber):.8E}") == f"212{subscriber}"
    assert normalise(f"{int(subscriber)}.0") == f"212{subscriber}"
    number = normalise(around + subscriber)
    assert number is None or (len(number) == 12 and number.startswith("212"))


def test_another_country_is_another_plan() -> None:
    france = NumberPlan(country="33", trunk="0", leading="123456789", mobile="67", length=9)
    assert normalise("+33 6 12 34 56 78", france) == normalise("0612345678", france) == "33612345678"
