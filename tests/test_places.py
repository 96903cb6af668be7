"""Countries and coordinates of regions."""

import logging
import runpy
import unicodedata
from pathlib import Path
from typing import Any

import _places
import polars as pl
import pytest
import yaml
from _log import UserError
from hypothesis import given, settings
from hypothesis import strategies as st

# ISO 3166-1 alpha-2, all 249.
ISO_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ
BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM
DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS
GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN
KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ
MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV
SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI
VN VU WF WS YE YT ZA ZM ZW
"""
ISO = set(ISO_CODES.split())

PLACELESS = ["GitHub", "VPN", "bogon", "unknown", "undetermined", "AWS/GLOBAL", "GCP/global"]


def distance(here: tuple[float, float], there: tuple[float, float]) -> float:
    """Give the larger difference in degrees, across the 180th meridian if that is nearer."""
    east = abs(here[1] - there[1])
    return max(abs(here[0] - there[0]), min(east, 360 - east))


def locate_one(region: str, override: Path | None = None) -> tuple[tuple[float, float], str]:
    located = _places.locate([region], override)
    assert located["region"].to_list() == [region]
    return (located["latitude"].item(), located["longitude"].item()), located["source"].item()


def countries(*labels: str | None) -> list[str | None]:
    regions = pl.LazyFrame({"region": labels}, schema={"region": pl.String})
    return _places.with_country(regions).collect()["country"].to_list()


@pytest.fixture(scope="module")
def make_places() -> dict[str, Any]:
    """What the script beside the places table defines."""
    return runpy.run_path(str(_places.RESOURCES / "make_places.py"))


@pytest.fixture(scope="module")
def towns(make_places) -> pl.DataFrame:
    """Every town the places table can have been drawn from."""
    return make_places["read_towns"]()


# --- the tables ----------------------------------------------------------------------------------


def test_places_have_all_countries_of_iso_3166_and_no_other_but_kosovo():
    places = _places.read_places()
    assert set(places["country"]) == ISO | {"XK"}
    assert set(places.filter(pl.col("region") == "")["country"]) == ISO | {"XK"}
    assert not places.select("country", "region").is_duplicated().any()


def test_places_are_what_the_script_makes_of_the_package(make_places, towns):
    made = make_places["make_places"](towns)
    assert made.equals(_places.read_places())


def test_every_place_is_a_town_of_its_own_country(make_places, towns):
    columns = ["country", "latitude", "longitude"]
    known = towns.with_columns(pl.col("latitude", "longitude").round(4))
    strays = _places.read_places().join(known, on=columns, how="anti")
    assert strays.select(columns).equals(make_places["WITHOUT_TOWNS"])


def test_mean_point_does_not_fall_apart_at_the_180th_meridian(make_places):
    towns = pl.DataFrame(
        {
            "country": ["XX"] * 3,
            "latitude": [0.0] * 3,
            "longitude": [178.0, -179.5, -178.0],
        }
    )
    central = make_places["central_towns"](towns, ["country"])
    assert central.rows() == [("XX", 0.0, -179.5)]


def test_places_are_plain_text_in_composed_letters():
    text = (_places.RESOURCES / "places.tsv").read_text("utf-8")
    assert text == unicodedata.normalize("NFC", text)
    assert '"' not in text
    assert all(line.count("\t") == 3 for line in text.splitlines())
    assert len(text.encode()) < 150_000


def test_cloud_regions_are_unique_and_stand_in_their_country(towns):
    cloud = _places.read_cloud_regions()
    assert cloud["region"].is_unique().all()
    assert set(cloud["country"]) <= ISO
    near = cloud.join(towns, on="country", suffix="_of_town").filter(
        (pl.col("latitude") - pl.col("latitude_of_town")).abs() < 0.1,
        (pl.col("longitude") - pl.col("longitude_of_town")).abs() < 0.1,
    )
    assert set(near["region"]) == set(cloud["region"])


def test_cloud_regions_of_the_same_city_stand_at_the_same_point():
    table = pl.read_csv(_places.RESOURCES / "cloud_regions.tsv", separator="\t")
    points = table.select("city", "country", "latitude", "longitude").unique()
    assert points.select("city", "country").is_unique().all()
    assert {"GLOBAL", "global"}.isdisjoint(table["region"])


def test_aliases_are_of_regions_in_the_places_table():
    aliases = _places.read_aliases()
    unknown = aliases.join(_places.read_places(), on=["country", "region"], how="anti")
    assert unknown.rows() == []
    assert not aliases.select("country", "alias").is_duplicated().any()


def test_regions_that_share_a_stem_are_neighbours():
    names = _places.known_names()
    spans = names.group_by("country", "stem").agg(
        (pl.col("latitude").max() - pl.col("latitude").min()).alias("latitude"),
        (pl.col("longitude").max() - pl.col("longitude").min()).alias("longitude"),
    )
    assert spans.filter(pl.max_horizontal("latitude", "longitude") > 3).rows() == []


# --- countries -----------------------------------------------------------------------------------


def test_country_of_places_is_their_code():
    labels = ["US/California", "US", "TT/San Juan/Laventille", "XK/Pristina", "NA/Khomas", "NA"]
    assert countries(*labels) == ["US", "US", "TT", "XK", "NA", "NA"]


@pytest.mark.parametrize(
    ("region", "country"),
    [
        ("AWS/af-south-1", "ZA"),
        ("AWS/ap-east-1", "HK"),
        ("AWS/ap-east-2", "TW"),
        ("AWS/ap-south-2", "IN"),
        ("AWS/ap-southeast-1", "SG"),
        ("AWS/ap-southeast-3", "ID"),
        ("AWS/ap-southeast-4", "AU"),
        ("AWS/ap-southeast-5", "MY"),
        ("AWS/ap-southeast-6", "NZ"),
        ("AWS/ap-southeast-7", "TH"),
        ("AWS/ca-west-1", "CA"),
        ("AWS/cn-north-1", "CN"),
        ("AWS/cn-northwest-1", "CN"),
        ("AWS/eu-central-2", "CH"),
        ("AWS/eu-south-2", "ES"),
        ("AWS/eu-west-1", "IE"),
        ("AWS/eusc-de-east-1", "DE"),
        ("AWS/il-central-1", "IL"),
        ("AWS/me-central-1", "AE"),
        ("AWS/me-south-1", "BH"),
        ("AWS/mx-central-1", "MX"),
        ("AWS/sa-east-1", "BR"),
        ("AWS/us-east-2", "US"),
        ("AWS/us-gov-east-1", "US"),
        ("AWS/us-gov-west-1", "US"),
        ("GCP/africa-south1", "ZA"),
        ("GCP/asia-east1", "TW"),
        ("GCP/asia-southeast3", "TH"),
        ("GCP/europe-north1", "FI"),
        ("GCP/europe-west4", "NL"),
        ("GCP/europe-west6", "CH"),
        ("GCP/europe-west10", "DE"),
        ("GCP/europe-west12", "IT"),
        ("GCP/me-central2", "SA"),
        ("GCP/northamerica-south1", "MX"),
        ("GCP/southamerica-west1", "CL"),
        ("GCP/us-central1", "US"),
    ],
)
def test_country_of_a_cloud_region_is_where_it_stands(region, country):
    assert countries(region) == [country]


@pytest.mark.parametrize("region", [*PLACELESS, "AWS", "GCP", "ZZ", "us", ""])
def test_what_is_no_place_and_in_no_country(region):
    assert countries(region) == [None]


@pytest.mark.parametrize(
    "region", ["AWS/xx-new-1", "GCP/xx-new1", "Azure/westus", "ZZ/Somewhere", "us/California"]
)
def test_a_place_may_be_in_no_known_country(region):
    assert countries(region) == [None]
    assert pl.select(_places.is_place(pl.lit(region))).item() is True


@pytest.mark.parametrize("region", ["AWS/GLOBAL", "GCP/global", "Azure/Global"])
def test_what_is_everywhere_is_no_place(region):
    assert pl.select(_places.is_place(pl.lit(region))).item() is False


def test_country_keeps_order_duplicates_and_nulls():
    assert countries("US", None, "GitHub", "US") == ["US", None, None, "US"]


def test_places_are_regions_within_a_country():
    labels = ["US/California", "AWS/eu-west-1", "GCP/us-central1", "US", "GitHub", "AWS/GLOBAL"]
    regions = pl.DataFrame({"region": labels})
    assert regions.filter(_places.is_place(pl.col("region")))["region"].to_list() == labels[:3]


def test_cloud_regions_that_the_table_lacks_are_named():
    labels = ["AWS/xx-new-1", "GCP/xx-new2", "AWS/eu-west-1", "US/California", *PLACELESS]
    assert _places.unknown_cloud_regions(labels) == ["AWS/xx-new-1", "GCP/xx-new2"]


# --- coordinates ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "latitude", "longitude"),
    [
        ("US/California", 36.7, -119.4),
        ("US/District of Columbia", 38.9, -77.0),
        ("US/Washington", 47.4, -121.5),
        ("US/Alaska", 61.2, -149.9),
        ("US/Hawaii", 21.3, -157.8),
        ("DE/Bavaria", 48.9, 11.4),
        ("JP/Tokyo", 35.7, 139.7),
        ("BR/São Paulo", -22.9, -47.5),
        ("BR/Sao Paulo", -22.9, -47.5),
        ("ZA/Gauteng", -26.1, 28.1),
        ("AU/New South Wales", -33.4, 150.6),
        ("GB/England", 52.5, -1.3),
        ("CN/Beijing", 39.9, 116.4),
        ("CH/Lucerne", 47.1, 8.2),  # once put in Canada
        ("AL/Tirana", 41.3, 19.8),  # once put in Brazil
        ("DE/Hesse", 50.5, 8.9),  # in Uruguay
        ("MO/Nossa Senhora do Carmo", 22.2, 113.6),  # in Portugal
        ("NZ/Nelson Region", -41.3, 173.3),  # in Canada
        ("HK/Hong Kong", 22.3, 114.2),
        ("HK/Eastern", 22.3, 114.2),
        ("SG/Singapore", 1.3, 103.8),
        ("NU/Niue", -19.1, -169.9),
        ("FJ", -17.8, 178.0),
        ("RU/Chukotka", 66.0, 180.0),
        ("NZ/Chatham Islands", -44.0, -176.5),
        ("AWS/us-east-1", 39.0, -77.5),
        ("GCP/europe-west6", 47.4, 8.5),
    ],
)
def test_known_places(region, latitude, longitude):
    point, source = locate_one(region)
    assert distance(point, (latitude, longitude)) < 1.5
    assert source != "approximate"


@pytest.mark.parametrize(
    ("region", "name"),
    [
        ("AR/Buenos Aires F.D.", "Buenos Aires F.D."),
        ("CL/Region of Magallanes", "Region of Magallanes"),
        ("CN/Guangxi Zhuang Autonomous Region", "Guangxi"),
        ("CO/Bogotá, D.C.", "Bogota D.C."),
        ("DE/Baden-Württemberg", "Baden-Wurttemberg"),
        ("DE/Free State of Saxony", "Saxony"),
        ("DE/Land Berlin", "State of Berlin"),
        ("DE/BERLIN", "State of Berlin"),
        ("DE/Rhineland-Palatinate", "Rheinland-Pfalz"),
        ("FR/Ile-de-France", "Île-de-France"),
        ("FR/I\u0302le-de-France", "Île-de-France"),  # taken apart
        ("FR/Provence-Alpes-Côte d’Azur", "Provence-Alpes-Côte d'Azur"),
        ("JP/Tōkyō", "Tokyo"),
        ("KR/Jeju", "Jeju-do"),
        ("KR/Seoul Special City", "Seoul"),
        ("MY/Federal Territory of Kuala Lumpur", "Kuala Lumpur"),
        ("PL/Lodz Voivodeship", "Łódź Voivodeship"),
        ("RU/Saint Petersburg", "St.-Petersburg"),
        ("RU/Moscow Oblast", "Moscow Oblast"),
        ("SE/Skane County", "Skåne"),
        ("TR/Istanbul Province", "Istanbul"),
        ("TW/Taipei City", "Taipei"),
        ("US/Washington, D.C.", "District of Columbia"),
        ("VN/Dak Lak", "Đắk Lắk"),
        ("VN/Ho Chi Minh City", "Ho Chi Minh"),
        ("ZA/Free State", "Free State"),
        ("ZA/Kwazulu-Natal", "KwaZulu-Natal"),
    ],
)
def test_spelling_does_not_matter(region, name):
    point, source = locate_one(region)
    own = _places.read_places().filter(pl.col("country") == region[:2], pl.col("region") == name)
    assert point == (own["latitude"].item(), own["longitude"].item())
    assert source in ("region", "name")


def test_every_region_of_the_table_is_found_as_it_stands():
    places = _places.read_places().filter(pl.col("region") != "")
    label = pl.concat_str("country", "region", separator="/")
    located = _places.locate(places.select(label).to_series())
    assert set(located["source"]) == {"region"}
    expected = places.select(label.alias("region"), "latitude", "longitude").sort("region")
    assert located.drop("source").equals(expected)


@pytest.mark.parametrize(
    ("region", "source"),
    [
        ("US", "country"),
        ("HK/Hong Kong", "country"),
        ("SG/Somewhere", "country"),
        ("AW/Oranjestad", "country"),  # no region of it in the table
        ("US/Somewhere", "approximate"),
        ("TW/Taoyuan", "approximate"),
    ],
)
def test_country_point_stands_for_what_is_not_known_better(region, source):
    own = _places.read_places().filter(pl.col("country") == region[:2], pl.col("region") == "")
    assert locate_one(region) == ((own["latitude"].item(), own["longitude"].item()), source)


def test_labels_without_a_place_have_no_coordinates_and_are_not_missed():
    assert _places.coordinates(PLACELESS) == ({}, [])


def test_places_that_no_table_has_are_missed():
    labels = ["ZZ/Somewhere", "ZZ", "AWS/xx-new-1", "AWS/xx-new-10", "AWS/xx-new-9", "Azure/westus"]
    found, missing = _places.coordinates(labels)
    assert found == {}
    assert missing == [
        "AWS/xx-new-1",
        "AWS/xx-new-9",
        "AWS/xx-new-10",
        "Azure/westus",
        "ZZ",
        "ZZ/Somewhere",
    ]


def test_coordinates_are_in_natural_order():
    found, _ = _places.coordinates(["GCP/europe-west12", "US/Ohio", "GCP/europe-west9", "US"])
    assert list(found) == ["GCP/europe-west9", "GCP/europe-west12", "US", "US/Ohio"]


@settings(deadline=None)
@given(st.sampled_from(sorted(ISO | {"XK"})), st.text(min_size=1))
def test_whatever_the_name_the_point_is_in_the_country(country, name):
    found, _ = _places.coordinates([f"{country}/{name}"])
    own = _places.read_places().filter(pl.col("country") == country)
    points = set(own.select("latitude", "longitude").rows())
    assert all((point["latitude"], point["longitude"]) in points for point in found.values())


@settings(deadline=None)
@given(st.lists(st.text()))
def test_no_label_breaks_the_search(labels):
    found, missing = _places.coordinates(labels)
    assert not set(found) & set(missing)
    assert set(found) | set(missing) <= set(labels)
    assert len(countries(*labels)) == len(labels)


def test_folding_ignores_case_and_composition():
    own = _places.read_places()["region"]
    folded = own.to_frame("name").select(_places.fold(pl.col("name")))
    for write in (str.upper, str.lower, lambda name: unicodedata.normalize("NFD", name)):
        other = pl.DataFrame({"name": [write(name) for name in own]})
        assert other.select(_places.fold(pl.col("name"))).equals(folded)


def seen_regions() -> list[str]:
    """Every country/region label that the archive has published."""
    text = Path(__file__).with_name("seen_regions.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [f"{line[:2]}/{name}" for line in lines for name in line[4:].split("|")]


def test_what_the_archive_has_seen_has_coordinates_in_its_own_country(towns):
    labels = seen_regions()
    assert len(labels) > 731
    located = _places.locate(labels)
    assert located.height == len(labels)
    precise = located.filter(pl.col("source") != "approximate")
    assert precise.height / len(labels) > 0.99
    here = located.with_columns(country=pl.col("region").str.slice(0, 2))
    points = towns.with_columns(pl.col("latitude", "longitude").round(4))
    strays = here.join(points, on=["country", "latitude", "longitude"], how="anti")
    assert strays.rows() == []


# --- the user's own ------------------------------------------------------------------------------


def test_own_coordinates_go_first(tmp_path):
    own = tmp_path / "coordinates.yaml"
    own.write_text(
        "US/California: {latitude: 1, longitude: 2.5}\n"
        "AWS/xx-new-1: {latitude: -3.25, longitude: 180}\n"
        "DE/Bavaria: {latitude: 0, longitude: 0}\n"
    )
    found, missing = _places.coordinates(["AWS/xx-new-1", "US/California", "US/Ohio"], own)
    assert list(found) == ["AWS/xx-new-1", "US/California", "US/Ohio"]
    assert found["US/California"] == {"latitude": 1.0, "longitude": 2.5}
    assert found["AWS/xx-new-1"] == {"latitude": -3.25, "longitude": 180.0}
    assert missing == []


def test_an_empty_file_of_own_coordinates_is_none(tmp_path):
    own = tmp_path / "coordinates.yaml"
    own.write_text("# nothing yet\n")
    assert _places.read_override(own).rows() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- US/Ohio", "must be a mapping"),
        ("US/Ohio: {latitude: 40", "this is no YAML"),
        ("NO: {latitude: 60, longitude: 10}", "False is no text; put the region in quotes"),
        ("US/Ohio: 5", "'US/Ohio' must have latitude and longitude"),
        ("US/Ohio: {latitude: 40}", "'US/Ohio' must have latitude and longitude"),
        ("US/Ohio: {latitude: '40', longitude: -83}", "latitude of 'US/Ohio' must be a number"),
        ("US/Ohio: {latitude: true, longitude: -83}", "latitude of 'US/Ohio' must be a number"),
        ("US/Ohio: {latitude: 91, longitude: -83}", "latitude of 'US/Ohio' is 91, not within ±90"),
        ("US/Ohio: {latitude: 40, longitude: .nan}", "longitude of 'US/Ohio' is nan, not within"),
    ],
)
def test_own_coordinates_of_another_form_are_refused(tmp_path, text, message):
    own = tmp_path / "coordinates.yaml"
    own.write_text(text)
    with pytest.raises(UserError, match=message) as raised:
        _places.read_override(own)
    assert str(own) in str(raised.value)


# --- the rule ------------------------------------------------------------------------------------


def write_regions(path: Path, *labels: str) -> Path:
    rows = "".join(f"{label}\t10\t2\t1\n" for label in labels)
    path.write_text(
        f"region\tbytes_sent\tnumber_of_requests\tnumber_of_downloads\n{rows}", encoding="utf-8"
    )
    return path


def test_coordinates_of_a_summary(tmp_path, caplog):
    import coordinates

    labels = ["US/California", "FR/Île-de-France", "NO", "TW/Taoyuan", "AWS/xx-new-1", *PLACELESS]
    target = tmp_path / "region_codes_to_coordinates.yaml"
    with caplog.at_level(logging.INFO):
        coordinates.main(
            regions=write_regions(tmp_path / "by_region.tsv", *labels),
            coordinates=target,
            override=None,
            told=tmp_path / "gaps.txt",
        )
    text = target.read_text("utf-8")
    assert "FR/Île-de-France:\n  latitude: " in text
    written = yaml.safe_load(text)
    assert list(written) == ["FR/Île-de-France", "NO", "TW/Taoyuan", "US/California"]
    assert written["US/California"] == {"latitude": 36.1894, "longitude": -119.8232}
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "TW/Taoyuan" in warnings[0]
    assert "AWS/xx-new-1" in warnings[1]
    assert "AWS/xx-new-1" in warnings[2]
    assert not any(label in message for label in PLACELESS for message in warnings)
    assert (tmp_path / "gaps.txt").read_text("utf-8").splitlines() == warnings


def test_coordinates_of_an_empty_summary(tmp_path):
    import coordinates

    target = tmp_path / "region_codes_to_coordinates.yaml"
    coordinates.main(
        regions=write_regions(tmp_path / "by_region.tsv"), coordinates=target, override=None
    )
    assert yaml.safe_load(target.read_text("utf-8")) == {}
