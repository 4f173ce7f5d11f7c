import pytest

from topology.gazetteer import bundled_gazetteer

JIANGSU = {
    "nanjing", "suzhou", "wuxi", "changzhou", "zhenjiang", "yangzhou", "taizhou", "nantong",
    "yancheng", "huaian", "xuzhou", "lianyungang", "suqian",
}  # fmt: skip
GAZETTEER = bundled_gazetteer()


def test_thirteen_cities_of_jiangsu():
    cities = {
        p.name for p in GAZETTEER.places.values() if p.province == "jiangsu" and p.city is None
    }
    assert cities == JIANGSU


def test_every_hub_has_a_cluster():
    clusters = {p.hub for p in GAZETTEER.places.values() if "hub-cluster" in p.labels}
    assert clusters == set(GAZETTEER.names("hub"))
    assert len(clusters) == 8


@pytest.mark.parametrize("kind", ["metro", "province", "hub"])
def test_places_name_regions_that_exist(kind):
    named = {getattr(p, kind) for p in GAZETTEER.places.values()} - {None}
    assert named <= set(GAZETTEER.names(kind))


def test_districts_lie_in_cities_that_exist():
    assert all(GAZETTEER.city_of(p) in GAZETTEER.places for p in GAZETTEER.places.values())


@pytest.mark.parametrize("name", ["nanjing", "南京", "南京市"])
def test_a_place_is_found_by_every_name(name):
    place = GAZETTEER.find(name)
    assert place is not None
    assert place.name == "nanjing"


def test_every_city_of_jiangsu_lies_in_jiangsu():
    for name in JIANGSU:
        place = GAZETTEER.places[name]
        assert 30.7 < place.latitude_deg < 35.2
        assert 116.3 < place.longitude_deg < 122.0
