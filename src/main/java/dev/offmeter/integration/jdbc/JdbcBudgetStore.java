// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import dev.offmeter.guard.BudgetStore;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import javax.sql.DataSource;

/**
 * Keeps the counts of budgets in a database, so that all processes that use it share them: H2 2.x
 * or PostgreSQL 12 and later. Safe for use by many threads.
 *
 * <p>The data source must hand out connections that are nobody else's, best from a pool, and not
 * those of a transaction manager. Nothing is asked of it before the first request. A pool should
 * wait no longer than a second for a connection, because the store's caller does not.
 *
 * <p>Three tables are created if they are not there: {@code offmeter_budget} with the counts,
 * {@code offmeter_budget_reservation} and, for rolling windows, {@code offmeter_budget_slice}. Keys
 * are in them as they are, with the values of tags and the names of sessions; one of more than 255
 * characters by its hash.
 *
 * <p>A settlement that is repeated within an hour counts once, so that one whose reply was lost may
 * be repeated. Settled reservations, and counts whose windows ended a day ago, are deleted now and
 * then.
 *
 * <p>Methods throw {@link IllegalStateException} while the database is down, is read-only, refuses
 * access, or has tables without a column that is needed; the log has one WARN until they work
 * again. A statement ends after a second. A thread that is interrupted reserves nothing.
 */
public final class JdbcBudgetStore implements BudgetStore {
  /** A settlement may be repeated for so long. */
  private static final Duration REPEATABLE = Duration.ofHours(1);

  /** A request that was sent in a window may be settled so long after its end. */
  private static final Duration LONGEST_CALL = Duration.ofHours(24);

  private static final Duration BETWEEN_DELETIONS = Duration.ofMinutes(10);

  private final DataSource dataSource;
  private final String tablePrefix;
  private final boolean createTables;
  private final BudgetTables tables;
  private final Transactions transactions;

  /** When old rows are deleted next, in milliseconds. */
  private final AtomicLong nextDeletion = new AtomicLong(Long.MIN_VALUE);

  /** Returns a store in a database. Opens no connection. */
  public JdbcBudgetStore(DataSource dataSource) {
    this(Objects.requireNonNull(dataSource, "dataSource"), "offmeter_", true);
  }

  private JdbcBudgetStore(DataSource dataSource, String tablePrefix, boolean createTables) {
    this.dataSource = dataSource;
    this.tablePrefix = tablePrefix;
    this.createTables = createTables;
    tables = new BudgetTables(tablePrefix);
    transactions = new Transactions(dataSource, new BudgetSchema(tables, createTables));
  }

  /**
   * Returns a store in tables whose names begin so. Default: {@code offmeter_}.
   *
   * @param tablePrefix letters, digits and {@code _}, at most 30; before them, if wanted, the name
   *     of a schema and a dot
   */
  public JdbcBudgetStore tablePrefix(String tablePrefix) {
    return new JdbcBudgetStore(
        dataSource, Objects.requireNonNull(tablePrefix, "tablePrefix"), createTables);
  }

  /** Returns a store that creates tables that are not there, or does not. Default: it does. */
  public JdbcBudgetStore createTables(boolean createTables) {
    return new JdbcBudgetStore(dataSource, tablePrefix, createTables);
  }

  @Override
  public int reserve(String reservation, List<Claim> claims, Instant now, Instant leaseEnd) {
    return transactions.run(
        connection -> {
          BudgetRows rows = new BudgetRows(connection, tables);
          int refused = plainlyRefused(rows, claims, now);
          return refused >= 0 ? refused : reserved(rows, reservation, claims, now, leaseEnd);
        });
  }

  /**
   * Returns the first claim that does not fit, if it needs no lock to say so: many requests that
   * find a budget full must not wait for each other.
   */
  private static int plainlyRefused(BudgetRows rows, List<Claim> claims, Instant now)
      throws SQLException {
    for (int i = 0; i < claims.size(); i++) {
      Claim claim = claims.get(i);
      BudgetRows.Count count = rows.count(claim, now);
      if (!fits(claim, count, now)) {
        return count.mustBeKeptFor(claim) ? -1 : i;
      }
    }
    return -1;
  }

  private static int reserved(
      BudgetRows rows, String reservation, List<Claim> claims, Instant now, Instant leaseEnd)
      throws SQLException {
    rows.lock(claims);
    for (int i = 0; i < claims.size(); i++) {
      Claim claim = claims.get(i);
      BudgetRows.Count count = rows.count(claim, now);
      rows.keep(claim, count, now);
      if (!fits(claim, count, now)) {
        return i;
      }
    }
    for (Claim claim : claims) {
      rows.hold(reservation, claim, leaseEnd);
    }
    Transactions.endIfInterrupted();
    return -1;
  }

  private static boolean fits(Claim claim, BudgetRows.Count count, Instant now) {
    Balance balance = count.balance(claim, now);
    // Compared by subtraction: a sum could overflow.
    return claim.amount() <= claim.limit() - BudgetRows.sum(balance.spent(), balance.reserved());
  }

  @Override
  public void settle(String reservation, List<Claim> claims, List<Long> used, Instant now) {
    locked(
        claims,
        rows -> {
          for (int i = 0; i < claims.size(); i++) {
            rows.settle(reservation, claims.get(i), used.get(i), now);
          }
          return true;
        });
    deleteOld(now);
  }

  @Override
  public void renew(String reservation, List<Claim> claims, Instant now, Instant leaseEnd) {
    locked(
        claims,
        rows -> {
          for (Claim claim : claims) {
            rows.renew(reservation, claim, leaseEnd);
          }
          return true;
        });
  }

  @Override
  public Balance balance(Claim claim, Instant now) {
    return transactions.run(
        connection -> new BudgetRows(connection, tables).count(claim, now).balance(claim, now));
  }

  private interface RowWork<T> {
    T run(BudgetRows rows) throws SQLException;
  }

  private <T> T locked(List<Claim> claims, RowWork<T> work) {
    return transactions.run(
        connection -> {
          BudgetRows rows = new BudgetRows(connection, tables);
          rows.lock(claims);
          return work.run(rows);
        });
  }

  /** Deletes old rows at intervals, after a settlement: nobody waits for it to be sent. */
  private void deleteOld(Instant now) {
    long moment = now.toEpochMilli();
    long due = nextDeletion.get();
    boolean mine =
        moment >= due && nextDeletion.compareAndSet(due, moment + BETWEEN_DELETIONS.toMillis());
    if (mine && deletedMany(now)) {
      nextDeletion.set(moment);
    }
  }

  private boolean deletedMany(Instant now) {
    try {
      return transactions.run(
          connection ->
              new BudgetRows(connection, tables)
                  .deleteOld(now.minus(REPEATABLE), now.minus(LONGEST_CALL)));
    } catch (IllegalStateException e) {
      // What was settled is settled; the log has the reason.
      return false;
    }
  }
}
