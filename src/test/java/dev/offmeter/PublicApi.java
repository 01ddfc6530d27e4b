// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import com.tngtech.archunit.core.domain.JavaClasses;
import java.lang.reflect.Executable;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.GenericDeclaration;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The public types that do not lie below {@code internal}: callers compile against them. */
final class PublicApi {
  private static final String INTERNAL = "dev.offmeter.internal";

  private PublicApi() {}

  /** Returns the public types in order of their names. */
  static Stream<Class<?>> types(JavaClasses all) {
    return all.stream()
        .<Class<?>>map(type -> type.reflect())
        .filter(PublicApi::isPublic)
        .sorted((one, other) -> one.getName().compareTo(other.getName()));
  }

  static boolean isPublic(Class<?> type) {
    Class<?> outer = type.getDeclaringClass();
    return !type.getPackageName().startsWith(INTERNAL)
        && isShown(type.getModifiers())
        && (outer == null || isPublic(outer));
  }

  static Stream<Member> members(Class<?> type) {
    return Stream.<Member[]>of(
            type.getDeclaredFields(), type.getDeclaredConstructors(), type.getDeclaredMethods())
        .flatMap(Arrays::stream)
        .filter(member -> isShown(member.getModifiers()) && !member.isSynthetic());
  }

  private static boolean isShown(int modifiers) {
    return Modifier.isPublic(modifiers) || Modifier.isProtected(modifiers);
  }

  /** The types that each signature names, generic arguments, bounds and supertypes included. */
  static Map<String, Set<Class<?>>> signatures(Class<?> type) {
    Map<String, Set<Class<?>>> signatures = new TreeMap<>();
    Set<Class<?>> head = new HashSet<>();
    add(type.getGenericSuperclass(), head);
    addAll(type.getGenericInterfaces(), head);
    addBounds(type, head);
    signatures.put(type.getName(), head);
    members(type).forEach(member -> signatures.put(member.toString(), types(member)));
    return signatures;
  }

  private static Set<Class<?>> types(Member member) {
    Set<Class<?>> types = new HashSet<>();
    if (member instanceof Field field) {
      add(field.getGenericType(), types);
    } else if (member instanceof Executable executable) {
      if (executable instanceof Method method) {
        add(method.getGenericReturnType(), types);
      }
      addAll(executable.getGenericParameterTypes(), types);
      addAll(executable.getGenericExceptionTypes(), types);
      addBounds(executable, types);
    }
    return types;
  }

  private static void addBounds(GenericDeclaration declaration, Set<Class<?>> to) {
    for (TypeVariable<?> variable : declaration.getTypeParameters()) {
      for (Type bound : variable.getBounds()) {
        // A type may be bounded by itself.
        if (bound instanceof ParameterizedType generic) {
          add(generic.getRawType(), to);
        } else {
          add(bound, to);
        }
      }
    }
  }

  private static void addAll(Type[] types, Set<Class<?>> to) {
    for (Type type : types) {
      add(type, to);
    }
  }

  private static void add(Type type, Set<Class<?>> to) {
    if (type instanceof Class<?> plain) {
      to.add(plain.isArray() ? innermost(plain) : plain);
    } else if (type instanceof ParameterizedType generic) {
      add(generic.getRawType(), to);
      addAll(generic.getActualTypeArguments(), to);
    } else if (type instanceof WildcardType wildcard) {
      addAll(wildcard.getLowerBounds(), to);
      addAll(wildcard.getUpperBounds(), to);
    } else if (type instanceof GenericArrayType array) {
      add(array.getGenericComponentType(), to);
    }
  }

  private static Class<?> innermost(Class<?> type) {
    return type.isArray() ? innermost(type.getComponentType()) : type;
  }
}
