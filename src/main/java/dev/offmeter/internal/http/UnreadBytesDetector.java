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
 * Finds unread bytes on a connection that was used before. They belong to no request, and OkHttp
 * would take them for the reply to the next one. OkHttp (5.5) has no public way to see what it has
 * read ahead, so the fields of its connection are read by reflection, by their types. A connection
 * that cannot be inspected counts as having unread bytes.
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

  /** Returns whether there are unread bytes, or there may be. */
  static boolean hasUnread(Connection connection) {
    try {
      return FIELDS.get(connection.getClass()).hasUnread(connection);
    } catch (ReflectiveOperationException | IOException e) {
      return true;
    }
  }

  /**
   * Returns the bounded socket that a connection reads from, with or without TLS; null if unknown.
   */
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
   * Locates the fields in which a class of connections keeps its bytes.
   *
   * @param sockets the sockets, including the one below TLS
   * @param buffered the reader of the sockets; null if unknown
   * @param source the getter of the buffer of {@code buffered}; null if that is a buffer itself
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
                        + " ahead{}",
                    type.getName(),
                    advice(type)));
        buffered = null;
      }
      return new Fields(sockets, buffered, source);
    }

    /** Returns the option of Java that opens the type's package, if its module keeps it closed. */
    private static String advice(Class<?> type) {
      Module here = UnreadBytesDetector.class.getModule();
      Module there = type.getModule();
      if (there.isOpen(type.getPackageName(), here)) {
        return "";
      }
      String opened = there.getName() + "/" + type.getPackageName();
      return "; --add-opens " + opened + "=" + (here.isNamed() ? here.getName() : "ALL-UNNAMED");
    }

    private static boolean isBuffered(Class<?> type) {
      return BufferedSource.class.isAssignableFrom(type);
    }

    /**
     * Returns the getter of the source in a type that combines source and sink, as OkHttp 5.2 and
     * later have.
     */
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
        // The module of the type does not open it.
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
      Object checked = null;
      for (Field socket : sockets) {
        Object next = socket.get(connection);
        if (!(next instanceof Socket open)
            // Without TLS both are one; to ask costs a system call.
            || (next != checked && open.getInputStream().available() > 0)) {
          return true;
        }
        checked = next;
      }
      return false;
    }
  }
}
