// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.internal.wire.HeapBudget.TooLargeException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.Socket;
import java.util.List;
import java.util.stream.Stream;
import javax.net.SocketFactory;
import org.junit.jupiter.api.Test;

/** A socket that bounds what comes beside a body. */
class BoundedSocketTest {
  private static final int MOST = BoundedSocket.MOST_UNUSED;

  private final BoundedSocketFactory sockets =
      new BoundedSocketFactory(SocketFactory.getDefault()::createSocket);

  private BoundedSocket socket() {
    Socket endless =
        new Socket() {
          @Override
          public InputStream getInputStream() {
            return new ByteArrayInputStream(new byte[40 * MOST]);
          }
        };
    return new BoundedSocket(endless, sockets);
  }

  private static int read(Socket socket, int bytes) throws IOException {
    return socket.getInputStream().readNBytes(bytes).length;
  }

  @Test
  void whatNobodyUsesIsBounded() throws IOException {
    BoundedSocket socket = socket();

    assertThat(read(socket, MOST)).isEqualTo(MOST);
    assertThatThrownBy(() -> read(socket, 1)).isInstanceOf(TooLargeException.class);
    BoundedSocket byteByByte = socket();
    read(byteByByte, MOST);
    assertThatThrownBy(() -> byteByByte.getInputStream().read())
        .isInstanceOf(TooLargeException.class);
  }

  @Test
  void whatIsUsedMakesRoom() throws IOException {
    BoundedSocket socket = socket();
    for (int i = 0; i < 8; i++) {
      read(socket, MOST);
      socket.onConsumed(MOST / 32);
    }

    read(socket, MOST);
    socket.onConsumed(1);
    read(socket, 32);
    assertThatThrownBy(() -> read(socket, 1)).isInstanceOf(TooLargeException.class);
  }

  @Test
  void eachExchangeHasAllOfIt() throws IOException {
    BoundedSocket socket = socket();
    for (int i = 0; i < 3; i++) {
      socket.reset();
      assertThat(read(socket, MOST)).isEqualTo(MOST);
    }
  }

  @Test
  void nothingIsCountedWhereNobodyKnowsWhatIsUsed() throws IOException {
    BoundedSocket socket = socket();
    sockets.stopCounting();

    assertThat(read(socket, 3 * MOST)).isEqualTo(3 * MOST);
  }

  /** The methods are those of the JDK that runs this. */
  @Test
  void allElseIsTheOtherSockets() {
    Stream<Method> open =
        Stream.of(Socket.class.getDeclaredMethods())
            .filter(method -> Modifier.isPublic(method.getModifiers()))
            .filter(method -> !Modifier.isStatic(method.getModifiers()));
    List<String> own =
        Stream.of(BoundedSocket.class.getDeclaredMethods()).map(BoundedSocketTest::named).toList();

    assertThat(open.map(BoundedSocketTest::named)).isSubsetOf(own);
  }

  private static String named(Method method) {
    return method.getName() + List.of(method.getParameterTypes());
  }
}
