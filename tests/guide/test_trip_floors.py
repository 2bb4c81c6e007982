"""Floors from what was measured: a bound on false trips of the whole plant."""

from changeover.config.ini import parse_ini
from changeover.forecast.trip_rates import trip_rates
from changeover.guide.cells import Measure
from changeover.guide.knobs import knobs_of, turned
from changeover.guide.planner import make_plan
from changeover.guide.remedies import remedies
from changeover.guide.trip_floors import NOT_MEASURED, TripDemand, floors_of
from changeover.model.network import Kind
from networks import network, stream
from plants import two_server_plant

PER_DAY = 1 / 86_400
MEASURED = network(
    stream(Kind.SESSION, "IOServer1/LAN_A", mean_ms=60),
    stream(Kind.DEVICE, "IOServer1.PLC1@1", mean_ms=40, seed=2),
)
INI = parse_ini(b"[LAN]\nSendTimeout=15000\n[MODNET]\nTimeout=1000\nRetry=1\n", "citect.ini")


def floors(plant, per_s=PER_DAY):
    found = floors_of(plant, knobs_of(plant, INI), TripDemand(MEASURED, per_s))
    return {str(knob): floor for knob, floor in found.items()}


def test_a_rarer_bound_is_a_higher_floor():
    plant = two_server_plant("5.0")
    often, rarely = floors(plant, 24 * PER_DAY), floors(plant, PER_DAY / 365)
    for name in ("[LAN]SendTimeout", "[MODNET]Timeout"):
        assert often[name].value < rarely[name].value
        assert "by what was measured" in rarely[name].why


def test_below_5_0_time_out_has_a_floor_where_round_trips_were_measured():
    plant = two_server_plant("4.50")
    found = network(*MEASURED.streams, stream(Kind.ROUND_TRIP, "IOServer1/LAN_A", mean_ms=80, seed=3))
    knobs = knobs_of(plant, INI)
    known = {str(k): f for k, f in floors_of(plant, knobs, TripDemand(found, PER_DAY)).items()}
    assert known["[LAN]TimeOut"].why
    assert floors(plant)["[LAN]TimeOut"].why == NOT_MEASURED, "sessions tell nothing of round trips"
    assert floors(plant)["[LAN]TimeOut"].value == 8000


def test_what_waits_for_nothing_keeps_its_range():
    assert floors(two_server_plant("5.0"))["[LAN]WatchTime"].why == ""


def test_a_plan_keeps_to_the_bound_and_is_longer_than_one_without():
    plant = two_server_plant("5.0", tasks=False)
    demand = TripDemand(MEASURED, PER_DAY)
    free = make_plan(plant, INI, 0.6)
    bound = make_plan(plant, INI, 0.6, demand=demand)
    assert free.is_met
    assert not bound.is_met
    met = make_plan(plant, INI, 2.0, demand=demand)
    assert met.is_met
    planned = turned(plant, met.values)
    assert trip_rates(planned, MEASURED).total.rate <= PER_DAY
    spoiled = turned(plant, free.values)
    assert trip_rates(spoiled, MEASURED).total.rate > PER_DAY


def test_no_remedy_is_credited_with_a_time_out_that_trips_too_often():
    plant = two_server_plant("5.0", tasks=True)
    demand = TripDemand(MEASURED, PER_DAY)
    asked = (plant, INI, 1.0, Measure.MAX, lambda row: True)
    free = {one.what: one.reach_s for one in remedies(*asked)}
    bound = {one.what: one.reach_s for one in remedies(*asked, demand)}
    shared = free.keys() & bound.keys()
    assert shared
    assert all(bound[what] > free[what] for what in shared)
