// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import java.io.PrintWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.logging.Logger;
import javax.sql.DataSource;

/** A data source that lends one connection, which stays open, and counts how often it is out. */
final class LentConnection implements DataSource {
  private final Connection real;
  private final Deque<SQLException> failures = new ArrayDeque<>();
  private Runnable whenLent = () -> {};
  private int lent;
  private int out;

  LentConnection(Connection real) {
    this.real = real;
  }

  /** Throws this instead of lending the connection, once. */
  void failNext(SQLException failure) {
    failures.add(failure);
  }

  /** Runs this whenever the connection has been lent. */
  void whenLent(Runnable action) {
    whenLent = action;
  }

  int lent() {
    return lent;
  }

  int out() {
    return out;
  }

  @Override
  public Connection getConnection() throws SQLException {
    lent++;
    if (!failures.isEmpty()) {
      throw failures.remove();
    }
    out++;
    whenLent.run();
    return (Connection)
        Proxy.newProxyInstance(
            LentConnection.class.getClassLoader(),
            new Class<?>[] {Connection.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("close")) {
                out--;
                return null;
              }
              try {
                return method.invoke(real, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  @Override
  public Connection getConnection(String user, String password) throws SQLException {
    return getConnection();
  }

  @Override
  public PrintWriter getLogWriter() {
    throw new UnsupportedOperationException();
  }

  @Override
  public void setLogWriter(PrintWriter out) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void setLoginTimeout(int seconds) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int getLoginTimeout() {
    return 0;
  }

  @Override
  public Logger getParentLogger() {
    throw new UnsupportedOperationException();
  }

  @Override
  public <T> T unwrap(Class<T> type) {
    throw new UnsupportedOperationException();
  }

  @Override
  public boolean isWrapperFor(Class<?> type) {
    return false;
  }
}
