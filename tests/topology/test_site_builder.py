from foundation.text import Text


def test_duplicate_site_names_both_lines(fault, site):
    error = fault(site("a") + site("a", number=2))
    assert "sites.toml:12: site `a` is declared twice (first at sites.toml:4)" in error.text.en


def test_half_a_coordinate_is_refused(fault, site):
    assert "only one coordinate" in fault(site("a", more="latitude_deg = 31.0\n")).text.en


def test_site_without_a_place_is_refused(fault):
    assert "has no location" in fault('[[site]]\nname = "a"\n').text.en


def test_unknown_city_suggests_the_nearest(fault, site):
    assert "did you mean `nanjing`?" in fault(site("a", city="nanjng")).text.en


def test_regions_are_inherited_of_the_place_and_may_be_overruled(parse, site):
    text = site("a", "zhenjiang")
    (plain,) = parse(text).sites.values()
    assert (plain.metro, plain.province, plain.city) == ("nanjing-area", "jiangsu", "zhenjiang")
    for written, metro in (("none", None), ("su-xi-chang", "su-xi-chang")):
        (own,) = parse(text.replace("important", f'metro = "{written}"\nimportant')).sites.values()
        assert (own.metro, own.province) == (metro, "jiangsu")


def test_unknown_region_suggests_the_nearest(fault, site):
    error = fault(site("a", more='province = "jiangsoo"\n'))
    assert "no province is called `jiangsoo`; did you mean `jiangsu`?" in error.text.en
    assert "没有名为 `jiangsoo` 的省份" in error.text.zh


def test_own_coordinates_are_exact_and_those_of_a_city_are_not(parse, site):
    (of_city,) = parse(site("a")).sites.values()
    assert of_city.position_uncertainty_km > 0
    own = site("a", more="latitude_deg = 32.0\nlongitude_deg = 118.5\n")
    (exact,) = parse(own).sites.values()
    assert (exact.latitude_deg, exact.longitude_deg) == (32.0, 118.5)
    assert exact.position_uncertainty_km == 0
    assert (exact.city, exact.province) == ("nanjing", "jiangsu")


def test_district_belongs_to_its_city_and_brings_its_labels(parse, site):
    place = (
        '[[place]]\nname = "dafeng"\ntitle = { en = "Dafeng", zh = "大丰" }\ncity = "yancheng"\n'
        'latitude_deg = 33.2\nlongitude_deg = 120.5\nlabels = ["port"]\n'
    )
    (dafeng,) = parse(place + site("a", "dafeng", more='labels = ["gold"]\n')).sites.values()
    assert (dafeng.city, dafeng.labels) == ("yancheng", {"port", "gold"})


def test_site_without_a_city_is_its_own(parse):
    text = '[[site]]\nname = "a"\nlatitude_deg = 1.0\nlongitude_deg = 2.0\n'
    (site,) = parse(text).sites.values()
    assert (site.city, site.metro, site.title) == ("a", None, Text("a", "a"))


def test_title_is_the_sites_own_else_that_of_its_place(parse, site):
    assert parse(site("a")).sites["a"].title == Text("Nanjing", "南京")
    assert parse(site("a", more='title = "DC 1"\n')).sites["a"].title == Text("DC 1", "DC 1")


def test_file_that_declares_no_site_says_so(fault):
    assert "declares no [[site]]" in fault("site = []\n").text.en
