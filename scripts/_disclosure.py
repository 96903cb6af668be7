"""Disclosure control: which counts must stay untold so that no small one can be worked out.

A *cell* is a published count. It is told as a figure, or, when it is below the minimum (*small*),
as `<50`. A *relation* says that some cells add up to others: the days of a Dandiset to its total,
the Dandisets of a day to the archive's day. Whoever knows all cells of a relation but one knows
that one too; so others are hidden with it.

What is granted, and shown by attacks in tests/test_disclosure.py and tests/test_published.py: In no
relation is one cell alone untold. And take for each small cell the interval that follows from the
words alone, that is if every figure told were replaced by "at least 50". The figures, each standing
for all counts that round to it, leave of it all that lies in a span of 20 values around the count,
however often bounds are carried over from one relation to the next. So a small count is known no
better than one that is told, behind which stand 20 values too.

The proof is in how it is done. Each cell gets a *box*, an interval around its count: a small one
what the words leave of its span, another one what its relations ask of it; one that is told no more
than what rounds to its figure. In each relation, for each cell and each value in its box, the
others have values in their boxes that make the sum right. So bounds carried over can never cut into
a box. In a relation, let a part *give* what it can fall within its box and *take* what it can rise,
and a whole the other way round. A cell of width w (give and take together) is supported if all give
at least w together, and all take at least w.
"""

from __future__ import annotations

import polars as pl

ENDLESS = 1 << 40
"""More than any count."""
MAX_PASSES = 100
TOTALS = 2
"""From this worth on a cell is hidden only if no other one can help."""

CELLS = pl.Schema(
    {
        "count": pl.Int64,
        "least": pl.Int64,
        "listed": pl.Boolean,
        "vague": pl.Boolean,
        "worth": pl.Int64,
    }
)
"""`least` is what is known of a small one at least: a row that is listed has a request. What is not
`listed` is no published cell, but the attacker may know that it is missing in a sum. Of what is
`vague` it is not taken into account that a hidden count is at least the minimum. What is worth less
to readers is hidden first."""
MEMBERS = pl.Schema({"relation": pl.UInt64, "cell": pl.UInt32, "whole": pl.Boolean})
"""`cell` is the row number of a cell. In each relation the parts add up to the wholes."""
LINKS = pl.Schema({"part": pl.UInt32, "whole": pl.UInt32})
"""Pairs of cells of which the first is never more than the second: downloads and requests."""


def untold(
    cells: pl.DataFrame, members: pl.DataFrame, links: pl.DataFrame, minimum: int, round_to: int
) -> pl.Series:
    """Say of each cell whether it must not be told as a figure.

    Args:
        cells: `CELLS`.
        members: `MEMBERS`.
        links: `LINKS`.
        minimum: Below it a count is small.
        round_to: A figure told is the nearest multiple of it.

    Returns:
        True for small cells, for those that are hidden with them, and for those not listed.
    """
    members = members.sort("relation", "cell")
    state = boxed(words(cells, members, links, minimum), minimum, round_to)
    due = members
    while len(due):
        asked = demands(due, state)
        grown = grow(state, asked, links)
        changed = grown.select(
            pl.row_index("cell").cast(pl.UInt32),
            differs=pl.any_horizontal(
                pl.col(name) != state[name] for name in ("hidden", "fall", "rise")
            ),
        ).filter("differs")
        state = grown
        touched = members.join(changed, on="cell", how="semi").select("relation").unique()
        due = members.join(touched, on="relation", how="semi", maintain_order="left")
    return state["hidden"]


def words(
    cells: pl.DataFrame, members: pl.DataFrame, links: pl.DataFrame, minimum: int
) -> pl.DataFrame:
    """The interval `low` to `high` of each cell that follows if all is told in words alone.

    Bounds are carried over all relations and links until nothing changes.
    """
    small = pl.col("listed") & (pl.col("count") < minimum)
    state = cells.with_columns(
        low=pl.when(small)
        .then("least")
        .when(pl.col("listed") & ~pl.col("vague"))
        .then(minimum)
        .otherwise(0),
        high=pl.when(small).then(minimum - 1).otherwise(ENDLESS),
    ).with_columns(pl.col("low", "high").cast(pl.Int64))
    for _ in range(MAX_PASSES):
        narrowed = narrow_by_links(narrow(state, members), links)
        if narrowed.equals(state):
            break
        state = narrowed
    return state


def narrow(state: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Carry bounds over each relation once: a cell is what the others leave of the sum."""
    low, high = pl.col("low"), pl.col("high")
    bounds = (
        members.hstack(state.select("low", "high")[members["cell"]])
        .with_columns(
            least=pl.when("whole").then(-high).otherwise(low),
            most=pl.when("whole").then(-low).otherwise(high),
        )
        .with_columns(
            others_least=pl.col("least").sum().over("relation") - pl.col("least"),
            others_most=pl.col("most").sum().over("relation") - pl.col("most"),
        )
        .select(
            "cell",
            at_least=pl.when("whole").then("others_least").otherwise(-pl.col("others_most")),
            at_most=pl.when("whole").then("others_most").otherwise(-pl.col("others_least")),
        )
        .group_by("cell")
        .agg(pl.col("at_least").max(), pl.col("at_most").min())
    )
    return replaced(
        state,
        bounds,
        low=pl.max_horizontal("low", "at_least"),
        high=pl.when(pl.col("at_most") < ENDLESS // 2)
        .then(pl.min_horizontal("high", "at_most"))
        .otherwise("high"),
    )


def narrow_by_links(state: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Carry bounds from each cell to the one that it is never more, or never less, than."""
    lows = links.select(cell="whole", at_least=state["low"].gather(links["part"]))
    highs = links.select(cell="part", at_most=state["high"].gather(links["whole"]))
    state = replaced(
        state,
        lows.group_by("cell").agg(pl.col("at_least").max()),
        low=pl.max_horizontal("low", "at_least"),
    )
    return replaced(
        state,
        highs.group_by("cell").agg(pl.col("at_most").min()),
        high=pl.min_horizontal("high", "at_most"),
    )


def replaced(state: pl.DataFrame, news: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    """The state with some columns computed anew from what there is news of, by `cell`."""
    return (
        state.with_row_index("cell")
        .join(news, on="cell", how="left", maintain_order="left")
        .with_columns(**columns)
        .select(state.columns)
    )


def span_of(minimum: int) -> int:
    """How many values a small count keeps, as far as the words leave them: 20 for 50."""
    return -(-2 * minimum // 5)


def boxed(state: pl.DataFrame, minimum: int, round_to: int) -> pl.DataFrame:
    """Give each cell that is not told from the first its box, and each the room for one.

    Adds `hidden`; `fall` and `rise`, the box as distances from the count; `can_fall`, `can_rise`,
    what these can become, and `free_fall`, `free_rise`, what they can become while the cell is
    told, for its figure stands for all counts that round to it. More than the width of a small cell
    is never asked for.
    """
    small = pl.col("count") < minimum
    span = span_of(minimum)
    high = pl.when(small & ~pl.col("listed")).then(minimum - 1).otherwise("high")
    begin = (pl.col("count") - span // 2).clip(0, minimum - span)
    first = pl.max_horizontal("low", begin)
    last = pl.min_horizontal(high, begin + span - 1)
    # How far a count is above the least one that rounds to its figure.
    above = (pl.col("count") + round_to // 2) % round_to
    room = state.select(
        "count",
        "listed",
        "worth",
        can_fall=(pl.col("count") - pl.col("low")).clip(0, minimum - 1),
        can_rise=(high - pl.col("count")).clip(0, minimum - 1),
        hidden=small | ~pl.col("listed"),
        fall=pl.when(small).then(pl.col("count") - first).otherwise(0),
        rise=pl.when(small).then(last - pl.col("count")).otherwise(0),
        above=above,
    )
    return room.select(
        pl.exclude("above"),
        free_fall=pl.min_horizontal("can_fall", "above", span // 2),
        free_rise=pl.min_horizontal(
            "can_rise", round_to - 1 - pl.col("above"), span - 1 - span // 2
        ),
    )


def demands(members: pl.DataFrame, state: pl.DataFrame) -> pl.DataFrame:
    """What relations that do not support their cells ask for: `cell`, `fall`, `rise`, `hide`.

    A relation in which only one cell is untold has another one hidden. For the rest, what is
    missing is given and taken by one cell that is hidden already, if that supports the relation,
    else by some that are told, within what their figures leave open, else by one more that is
    hidden.
    """
    cells = members.hstack(state[members["cell"]]).with_columns(
        pl.when("whole").then(f"{place}{one}").otherwise(f"{place}{other}").alias(f"{place}{name}")
        for place in ("", "can_", "free_")
        for name, one, other in (("give", "rise", "fall"), ("take", "fall", "rise"))
    )
    short = (
        cells.group_by("relation")
        .agg(
            width=(pl.col("give") + pl.col("take")).max(),
            given=pl.col("give").sum(),
            taken=pl.col("take").sum(),
            lonely=(pl.col("hidden").sum() == 1)
            & (pl.col("hidden") & (pl.col("listed") | (pl.col("give") + pl.col("take") > 0))).any(),
        )
        .select(
            "relation",
            "width",
            "lonely",
            no_give=(pl.col("width") - pl.col("given")).clip(0),
            no_take=(pl.col("width") - pl.col("taken")).clip(0),
        )
        .filter(pl.col("lonely") | (pl.max_horizontal("no_give", "no_take") > 0))
    )
    return (
        asked(ranked(cells.join(short, on="relation")))
        .select(
            "cell",
            "hide",
            fall=pl.when("whole").then("take").otherwise("give"),
            rise=pl.when("whole").then("give").otherwise("take"),
        )
        .group_by("cell")
        .agg(pl.col("fall", "rise").max(), pl.col("hide").any())
    )


HELPS, FIGURES, HIDES, WIDENS, HIDES_TOTAL, ALL = 0, 1, 2, 5, 6, 9
"""Ranks of those that a relation can ask. `HIDES` and `HIDES_TOTAL` are the first of three each:
the smallest part that is enough, the largest part, the whole."""


def ranked(candidates: pl.DataFrame) -> pl.DataFrame:
    """The cells of relations that lack something, but those that are not the best to be asked.

    Adds `rank`, from the best on: one that is hidden already and supports the relation; those told,
    if their figures leave enough open; one of those told that are worth least, but no total; one
    that is hidden already, though it then needs more itself; a total; or all. One alone that is
    untold is not helped by the first two.
    """
    told, part = ~pl.col("hidden"), ~pl.col("whole")
    free_give = pl.max_horizontal(pl.col("free_give") - pl.col("give"), 0).filter(told).sum()
    free_take = pl.max_horizontal(pl.col("free_take") - pl.col("take"), 0).filter(told).sum()
    figures_suffice = ((pl.col("no_give") <= free_give) & (pl.col("no_take") <= free_take)).over(
        "relation"
    )
    has_room = (pl.col("give") < pl.col("free_give")) | (pl.col("take") < pl.col("free_take"))
    suffices = (pl.col("give") + pl.col("no_give") <= pl.col("can_give")) & (
        pl.col("take") + pl.col("no_take") <= pl.col("can_take")
    )
    wider = pl.col("give") + pl.col("take") + pl.col("no_give") + pl.col("no_take")
    lacks = pl.max_horizontal("no_give", "no_take") > 0
    least_worth = pl.col("worth") == pl.col("worth").filter(told).min().over("relation")
    first = pl.when(pl.col("worth") < TOTALS).then(HIDES).otherwise(HIDES_TOTAL)
    return candidates.with_columns(
        rank=pl.when(~pl.col("lonely") & ~told & suffices & (wider <= pl.col("width")))
        .then(HELPS)
        .when(~pl.col("lonely") & told & has_room & figures_suffice)
        .then(FIGURES)
        .when(told & least_worth & part & suffices)
        .then(first)
        .when(told & least_worth & part)
        .then(first + 1)
        .when(told & least_worth)
        .then(first + 2)
        .when(~told & lacks & suffices)
        .then(WIDENS)
        .when(lacks)
        .then(ALL)
    ).filter(pl.col("rank") == pl.col("rank").min().over("relation"))


def asked(ranked: pl.DataFrame) -> pl.DataFrame:
    """Those asked, with what they shall `give` and `take` then, and whether to `hide` them."""
    figures = (
        ranked.filter(pl.col("rank") == FIGURES)
        .sort("relation", -(pl.col("free_give") + pl.col("free_take")), "cell")
        .filter(
            pl.any_horizontal(
                (pl.col(f"free_{end}") - pl.col(end)).clip(0).cum_sum().over("relation")
                - (pl.col(f"free_{end}") - pl.col(end)).clip(0)
                < pl.col(f"no_{end}")
                for end in ("give", "take")
            )
        )
        .with_columns(give="free_give", take="free_take")
    )
    is_largest = pl.col("rank").is_in([HIDES + 1, HIDES_TOTAL + 1])
    one = (
        ranked.filter(~pl.col("rank").is_in([FIGURES, ALL]))
        .sort("relation", pl.when(is_largest).then(-pl.col("count")).otherwise("count"), "cell")
        .unique("relation", keep="first", maintain_order=True)
        .with_columns(
            give=pl.min_horizontal(pl.col("give") + pl.col("no_give"), "can_give"),
            take=pl.min_horizontal(pl.col("take") + pl.col("no_take"), "can_take"),
        )
    )
    every = ranked.filter(pl.col("rank") == ALL).with_columns(give="can_give", take="can_take")
    return pl.concat([figures, one, every]).with_columns(hide=pl.col("rank") != FIGURES)


def grow(state: pl.DataFrame, asked: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Give what is asked a box as large as asked, and its links what they then need.

    What was told is hidden if that is asked, or if it shall stand for more counts than its figure.
    """
    state = replaced(
        state,
        asked.rename({"fall": "more_fall", "rise": "more_rise"}),
        hidden=pl.col("hidden") | pl.col("hide").fill_null(False),
        fall=pl.max_horizontal("fall", "more_fall"),
        rise=pl.max_horizontal("rise", "more_rise"),
    )
    part, whole = state[links["part"]], state[links["whole"]]
    slack = whole["count"] - part["count"]
    # A part can rise no further than its whole, and a whole fall no further than its part.
    rise = links.select(cell="whole", more=part["rise"] - slack).filter(pl.col("more") > 0)
    fall = links.select(cell="part", more=whole["fall"] - slack).filter(pl.col("more") > 0)
    for news, column in ((rise, "rise"), (fall, "fall")):
        state = replaced(
            state,
            news.group_by("cell").agg(pl.col("more").max()),
            **{column: pl.max_horizontal(column, "more")},
        )
    beyond = (pl.col("fall") > pl.col("free_fall")) | (pl.col("rise") > pl.col("free_rise"))
    return state.with_columns(hidden=pl.col("hidden") | beyond)
