// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.UserCode;
import java.io.IOException;
import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import okhttp3.Connection;
import okio.BufferedSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Bytes that lie unread on a connection that was used before. No request has asked for them, and
 * OkHttp would take them for the reply to the next one. It has no public way to see what it has
 * read ahead (5.5), so the fields of its connection are looked at, by their types. A connection
 * that cannot be looked at counts as having some.
 */
final class UnreadBytesDetector {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private static final ClassValue<Fields> FIELDS =
      new ClassValue<>() {
        @Override
        protected Fields computeValue(Class<?> type) {
          return Fields.of(type);
        }
      };

  private UnreadBytesDetector() {}

  /** Whether there are any, or there may be. */
  static boolean hasUnread(Connection connection) {
    try {
      return FIELDS.get(connection.getClass()).hasUnread(connection);
    } catch (ReflectiveOperationException | IOException e) {
      return true;
    }
  }

  /** The socket of ours that a connection reads from, with or without TLS; null if unknown. */
  static @Nullable BoundedSocket bounded(Connection connection) {
    if (connection.socket() instanceof BoundedSocket plain) {
      return plain;
    }
    try {
      return FIELDS.get(connection.getClass()).bounded(connection);
    } catch (ReflectiveOperationException e) {
      return null;
    }
  }

  /**
   * Where a class of connections keeps its bytes.
   *
   * @param sockets its sockets, the one below TLS among them
   * @param buffered what reads from them; null if it is not known
   * @param source has the buffer of {@code buffered}; null if that is one
   */
  private record Fields(List<Field> sockets, @Nullable Field buffered, @Nullable Method source) {
    static Fields of(Class<?> type) {
      List<Field> sockets = new ArrayList<>(2);
      Field buffered = null;
      Method source = null;
      for (Field field : type.getDeclaredFields()) {
        Method getter = bufferedSource(field.getType());
        if (Socket.class.isAssignableFrom(field.getType()) && isOpen(field)) {
          sockets.add(field);
        } else if ((isBuffered(field.getType()) || getter != null) && isOpen(field)) {
          buffered = field;
          source = getter;
        }
      }
      if (sockets.isEmpty() || buffered == null) {
        UserCode.ignore(
            () ->
                LOG.warn(
                    "no connection is kept for a second request: {} does not show what it has read"
                        + " ahead",
                    type.getName()));
        buffered = null;
      }
      return new Fields(sockets, buffered, source);
    }

    private static boolean isBuffered(Class<?> type) {
      return BufferedSource.class.isAssignableFrom(type);
    }

    /** From OkHttp 5.2 on, source and sink are one. */
    private static @Nullable Method bufferedSource(Class<?> type) {
      for (Method method : type.getMethods()) {
        if (method.getName().equals("getSource")
            && method.getParameterCount() == 0
            && isBuffered(method.getReturnType())
            && isOpen(method)) {
          return method;
        }
      }
      return null;
    }

    private static boolean isOpen(AccessibleObject member) {
      try {
        member.setAccessible(true);
        return true;
      } catch (RuntimeException e) {
        // Its module does not open it.
        return false;
      }
    }

    @Nullable BoundedSocket bounded(Connection connection) throws ReflectiveOperationException {
      for (Field socket : sockets) {
        if (socket.get(connection) instanceof BoundedSocket found) {
          return found;
        }
      }
      return null;
    }

    boolean hasUnread(Connection connection) throws ReflectiveOperationException, IOException {
      if (buffered == null) {
        return true;
      }
      Object reader = buffered.get(connection);
      Object buffer = source == null ? reader : source.invoke(reader);
      if (!(buffer instanceof BufferedSource read) || read.getBuffer().size() > 0) {
        return true;
      }
      Object asked = null;
      for (Field socket : sockets) {
        Object next = socket.get(connection);
        if (!(next instanceof Socket open)
            // Without TLS both are one; to ask costs a system call.
            || (next != asked && open.getInputStream().available() > 0)) {
          return true;
        }
        asked = next;
      }
      return false;
    }
  }
}
