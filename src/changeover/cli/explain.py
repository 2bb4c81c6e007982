"""`changeover explain`: what a parameter affects, and what a changeover depends on, in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from changeover.cli.common import fail, fault_option, function_option, json_option, load, working

if TYPE_CHECKING:
    from changeover.config.parameters import Parameter
    from changeover.config.project import Project
    from changeover.forecast.result import Forecast
    from changeover.guide.influence import Lever

PLANT_FILE = "plant.toml"


@click.command("explain")
@click.argument("subjects", metavar="[PROJECT] [PARAMETER]", nargs=-1)
@function_option
@fault_option
@click.option("--version", help="Explain for this product version instead of plant.toml's.")
@json_option
def command(
    subjects: tuple[str, ...], function: str | None, fault: str | None, version: str | None, as_json: bool
) -> None:
    """What affects what in PROJECT (by default the folder you are in), in seconds of changeover.

    PARAMETER, such as SendTimeout or [MODNET]Timeout: what it governs, and what one unit more of it costs.
    With --function and --fault: the stages of those changeovers, and what each parameter adds to them. With
    neither: the whole matrix.
    """
    folder, name = _subjects(subjects)
    if not _is_project(folder):
        if name is None or function or fault:
            fail(f"{folder} holds no {PLANT_FILE}: name a project's folder, changeover explain PROJECT")
        _print_rows(_rows_of(name), as_json)
        return
    project = load(folder, version, judged=False)
    rows = _forecast(project, function, fault)
    levers = _levers(project)
    if name is not None:
        _explain_parameter(project, _chosen(levers, name), rows, as_json)
    elif function or fault:
        _explain_rows(project, levers, rows, as_json)
    else:
        _explain_all(project, levers, rows, as_json)


def _subjects(subjects: tuple[str, ...]) -> tuple[Path, str | None]:
    """The project's folder, and the parameter."""
    if len(subjects) > 2:
        raise click.UsageError("a project and a parameter are wanted, at most")
    if len(subjects) == 2:
        return Path(subjects[0]), subjects[1]
    if not subjects:
        return Path(), None
    folder = Path(subjects[0])
    is_folder = folder.is_dir() or "/" in subjects[0]
    return (folder, None) if is_folder else (Path(), subjects[0])


def _is_project(folder: Path) -> bool:
    if not folder.exists():
        return folder != Path()
    return any(path.name.lower() == PLANT_FILE for path in folder.iterdir()) if folder.is_dir() else True


def _forecast(project: Project, function: str | None, fault: str | None) -> tuple[Forecast, ...]:
    from changeover.forecast.rules import forecast_plant

    rows = forecast_plant(project.plant)
    return tuple(r for r in rows if function in (None, r.function.value) and fault in (None, r.fault.value))


def _levers(project: Project) -> tuple[Lever, ...]:
    from changeover.guide.influence import levers_of

    return levers_of(project.plant, project.ini)


def _rows_of(name: str) -> tuple[Parameter, ...]:
    """The rows of the table that a name may mean; ends where there is none."""
    from changeover.config.known_parameters import ROWS

    section, parameter = _split(name)
    found = [
        row
        for (of, called), row in ROWS.items()
        if called == parameter and section in ("", of, of.partition(".")[0])
    ]
    if not found:
        _unknown(name, sorted({row.name for row in ROWS.values()}))
    return tuple(found)


def _chosen(levers: tuple[Lever, ...], name: str) -> tuple[Lever, ...]:
    """The levers that a name may mean: of several sections all; ends where there is none."""
    section, parameter = _split(name)
    found = [lever for lever in levers if _split(lever.name)[1] == parameter]
    in_section = [lever for lever in found if section in ("", _split(lever.name)[0])]
    if in_section:
        return tuple(in_section)
    rows = _rows_of(name)
    affects = f"{rows[0]}: {rows[0].affects}"
    others = ", ".join(lever.name for lever in found)
    hint = f"; in this project there is {others}" if others else ""
    fail(f"{affects} It moves no changeover and no return of this project{hint}", 1)


def _split(name: str) -> tuple[str, str]:
    """Section and parameter of `[MODNET.port]Timeout`, in lower case; the section may be left out."""
    section, bracket, parameter = name.strip().lower().partition("]")
    return (section.removeprefix("["), parameter.strip()) if bracket else ("", section)


def _unknown(name: str, known: list[str]) -> NoReturn:
    from difflib import get_close_matches

    near = get_close_matches(name.rpartition("]")[2], known, n=1)
    fail(f"{name} is no parameter that is known{f', did you mean {near[0]}?' if near else ''}")


def _print_rows(rows: tuple[Parameter, ...], as_json: bool) -> None:
    from changeover.cli.explain_view import print_row, row_document

    if as_json:
        click.echo(json.dumps([row_document(row) for row in rows], indent=2, ensure_ascii=False))
        return
    for row in rows:
        print_row(row)
    click.echo("In a project's folder it says what it does there, in seconds.")


def _explain_parameter(
    project: Project, levers: tuple[Lever, ...], rows: tuple[Forecast, ...], as_json: bool
) -> None:
    from changeover.cli.explain_view import influence_document, print_lever
    from changeover.guide.influence import influences_of

    with working("forecasting"):
        found = [(lever, influences_of(project.plant, lever, rows)) for lever in levers]
    if as_json:
        _print_json(project, [influence_document(one) for _, many in found for one in many])
        return
    for lever, many in found:
        print_lever(project, lever, many)


def _explain_rows(
    project: Project, levers: tuple[Lever, ...], rows: tuple[Forecast, ...], as_json: bool
) -> None:
    from changeover.cli.explain_view import influence_document, print_changeover
    from changeover.guide.influence import influence, told_rows

    told = told_rows(rows)
    if not told:
        fail("this plant has no such function or fault", 1)
    with working("forecasting"):
        found = [(row, [influence(project.plant, lever, row) for lever in levers]) for row in told]
    if as_json:
        _print_json(project, [influence_document(one) for _, many in found for one in many])
        return
    for row, many in found:
        print_changeover(project, row, many)


def _explain_all(
    project: Project, levers: tuple[Lever, ...], rows: tuple[Forecast, ...], as_json: bool
) -> None:
    from changeover.cli.explain_view import influence_document, print_matrix
    from changeover.guide.influence import influences_of

    with working("forecasting"):
        found = [influences_of(project.plant, lever, rows) for lever in levers]
    if as_json:
        _print_json(project, [influence_document(one) for many in found for one in many])
        return
    print_matrix(project, levers, found)


def _print_json(project: Project, influences: list[dict[str, object]]) -> None:
    plant = project.plant
    answer = {
        "plant": plant.name,
        "version": plant.version,
        "family": plant.policy.family.value,
        "influences": influences,
    }
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
