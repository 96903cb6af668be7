"""Addresses and ranges, held against `ipaddress`."""

import ipaddress

import pytest
from _addresses import Networks, address_of, parse_address, read_number
from hypothesis import given, settings
from hypothesis import strategies as st


@given(
    st.one_of(
        st.ip_addresses().map(str),
        st.ip_addresses(v=6).map(lambda address: address.exploded.upper()),
        st.text("0123456789abcF:.%/ ", max_size=20),
        st.text(max_size=8),
        st.lists(st.integers(0, 300), min_size=3, max_size=5).map(
            lambda parts: ".".join(map(str, parts))
        ),
    )
)
@settings(max_examples=300, deadline=None)
def test_what_is_an_address_is_what_ipaddress_takes(text):
    expected = parse_address(text)
    number = read_number(text)
    assert (number is None) == (expected is None)
    if expected is not None:
        assert number == (expected.version, int(expected))
        assert int(address_of(number)) == int(expected)


@pytest.mark.parametrize("text", ["-", "", "1.2.3", "01.2.3.4", "1.2.3.4/32", "::1%", "1.2.3.4\0"])
def test_what_is_no_address(text):
    assert read_number(text) is None


@st.composite
def nested_blocks(draw):
    """Labelled blocks within a small part of the address space, so that they nest and touch."""
    version = draw(st.sampled_from([4, 6]))
    bits, base = (32, 0xC0000200) if version == 4 else (128, 0x20010DB8 << 96)
    blocks = []
    for number in range(draw(st.integers(0, 12))):
        length = draw(st.integers(bits - 6, bits))
        start = base + draw(st.integers(0, 63))
        kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
        blocks.append((str(kind((start, length), strict=False)), f"label {number}"))
    whole = draw(st.sampled_from([None, "0.0.0.0/0", "::/0"]))
    return version, base, [*blocks, *([(whole, "whole")] if whole else [])]


@given(nested_blocks())
@settings(max_examples=300, deadline=None)
def test_the_longest_prefix_wins_and_of_equal_ones_the_first(case):
    version, base, blocks = case
    networks = Networks(blocks)
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    for offset in range(-1, 65):
        address = kind(base + offset)
        around = [
            (ipaddress.ip_network(block), label)
            for block, label in blocks
            if address in ipaddress.ip_network(block)
        ]
        longest = max((block.prefixlen for block, _ in around), default=None)
        expected = next((label for block, label in around if block.prefixlen == longest), None)
        assert networks.label(read_number(str(address))) == expected
        assert (str(address) in networks) == (expected is not None)


def test_ends_of_the_address_space():
    networks = Networks([("0.0.0.0/32", "first"), ("255.255.255.255", "last"), ("::/0", "all")])
    assert networks.label(read_number("0.0.0.0")) == "first"
    assert networks.label(read_number("0.0.0.1")) is None
    assert networks.label(read_number("255.255.255.255")) == "last"
    assert networks.label(read_number("ffff:" * 7 + "ffff")) == "all"


def test_networks_are_true_if_there_are_any():
    assert not Networks()
    assert Networks([("::/0", "")])
    assert Networks([("0.0.0.0/0", "")])


def test_no_block():
    with pytest.raises(ValueError, match="does not appear"):
        Networks([("somewhere", "")])
