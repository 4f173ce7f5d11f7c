from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import LocalProtocolError, RemoteProtocolError
from probes.stamp import tlv as tlvs
from probes.stamp.tlv import Tlv

KEY = bytes(range(32))
VECTOR = bytes.fromhex(
    "80030004000000008008001084f4715e335150acde9cc5e49f15f137800100080001020304050607"
)
KNOWN = {tlvs.EXTRA_PADDING: lambda tlv: tlv, 200: lambda tlv: replace(tlv, value=tlv.value[::-1])}


def reflected(request, *, key=KEY, sender_sequence=7, sequence=3, authenticated=False):
    return tlvs.reflect_tlvs(
        request,
        KNOWN,
        key=key,
        sender_sequence=sender_sequence,
        sequence=sequence,
        authenticated=authenticated,
    )


def test_the_extended_vector_both_ways():
    information = tlvs.TimestampInformation().to_tlv()
    padding = Tlv(type=tlvs.EXTRA_PADDING, value=bytes(range(8)))
    chain = (information, tlvs.hmac_tlv(KEY, 7, [information]), padding)
    assert tlvs.encode_tlvs(chain) == VECTOR
    assert tlvs.decode_tlvs(VECTOR) == chain
    assert tlvs.check_tlvs(chain, KEY, 7, required=True)


@given(
    st.lists(
        st.builds(
            Tlv,
            type=st.integers(0, 255),
            value=st.binary(max_size=30),
            unrecognised=st.booleans(),
            failed=st.booleans(),
        )
    )
)
def test_chains_round_trip(chain):
    assert tlvs.decode_tlvs(tlvs.encode_tlvs(chain)) == tuple(chain)


@given(st.binary(max_size=120))
def test_arbitrary_bytes_give_tlvs_of_the_same_size_or_a_remote_protocol_error(data):
    try:
        chain = tlvs.decode_tlvs(data)
    except RemoteProtocolError:
        return
    assert len(tlvs.encode_tlvs(chain)) == len(data)
    assert len(tlvs.encode_tlvs(reflected(chain, key=None))) == len(data)
    tlvs.usable_tlvs(chain)


@pytest.mark.parametrize(
    "value",
    [
        tlvs.TimestampInformation(1, 2, 4, 1),
        tlvs.ClassOfService.of(asked=46, received=10, ecn=1, reverse_path=1),
        tlvs.DirectMeasurement(1, 2, 3),
        tlvs.AccessReport(0x10, 1),
        tlvs.FollowUpTelemetry(9, 0xE8FE6F8020000000, 2),
    ],
)
def test_every_value_round_trips_and_refuses_a_wrong_length(value):
    tlv = value.to_tlv()
    assert type(value).from_tlv(tlvs.decode_tlvs(tlv.encode())[0]) == value
    with pytest.raises(RemoteProtocolError):
        type(value).from_tlv(replace(tlv, value=tlv.value + b"\0"))


def test_class_of_service_has_its_bits_in_place():
    value = tlvs.ClassOfService.of(asked=46, received=10, ecn=1, reverse_path=1)
    assert value.to_tlv().value.hex() == "b8a50000"
    assert (value.asked, value.received, value.ecn, value.reverse_path) == (46, 10, 1, 1)


def test_a_field_that_does_not_fit_is_our_own_fault():
    with pytest.raises(LocalProtocolError):
        tlvs.DirectMeasurement(2**32).to_tlv()


def test_an_unknown_type_comes_back_with_u_set_and_a_known_one_without():
    reply = reflected((Tlv(type=199, value=b"ab"), Tlv(type=200, value=b"ab")))
    assert [tlv.unrecognised for tlv in reply] == [True, False]
    assert [tlv.value for tlv in reply] == [b"ab", b"ba"]


def test_a_length_past_the_end_sets_m_and_the_bytes_come_back():
    data = Tlv(type=200, value=b"ab").encode() + bytes.fromhex("80c80040") + b"tail"
    reply = tlvs.encode_tlvs(reflected(tlvs.decode_tlvs(data)))
    assert reply.hex() == "00c80002" + b"ba".hex() + "c0c80040" + b"tail".hex()


def test_a_wrong_hmac_sets_i_in_every_tlv():
    chain = list(tlvs.decode_tlvs(VECTOR))
    chain[0] = replace(chain[0], value=b"\1\0\0\0")
    assert all(tlv.failed for tlv in reflected(chain))


def test_the_reply_is_signed_under_its_own_number_and_flags():
    reply = reflected(tlvs.decode_tlvs(VECTOR))
    assert not any(tlv.failed for tlv in reply)
    assert tlvs.check_tlvs(reply, KEY, 3, required=True)
    assert not tlvs.check_tlvs(reply, KEY, 7, required=True)


def test_an_hmac_before_other_tlvs_fails():
    chain = tlvs.decode_tlvs(VECTOR)
    assert not tlvs.check_tlvs((chain[1], chain[0]), KEY, 7, required=False)


def test_authenticated_mode_wants_an_hmac_over_all_but_padding():
    information = tlvs.TimestampInformation().to_tlv()
    padding = Tlv(type=tlvs.EXTRA_PADDING)
    assert not tlvs.check_tlvs((information,), KEY, 7, required=True)
    assert tlvs.check_tlvs((padding,), KEY, 7, required=True)
    assert tlvs.check_tlvs((information,), KEY, 7, required=False)


def test_a_sender_uses_nothing_of_a_reply_marked_i_and_nothing_after_m():
    good = Tlv(type=200, unrecognised=False)
    assert tlvs.usable_tlvs((good, replace(good, failed=True))) == ()
    assert tlvs.usable_tlvs((good, Tlv(type=9), replace(good, malformed=True), good)) == (good,)
