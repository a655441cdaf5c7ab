# What every target of the project is compiled with: language, warnings, hardening, sanitizers.
add_library(vmstream_build INTERFACE)
target_compile_features(vmstream_build INTERFACE cxx_std_20)
target_compile_options(vmstream_build INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
  $<$<BOOL:${VMSTREAM_WERROR}>:-Werror>
  # g++ 12 sees overlaps in std::string that are not there (GCC bug 105651)
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
target_compile_definitions(vmstream_build INTERFACE _GLIBCXX_ASSERTIONS)

if(VMSTREAM_SANITIZE)
  target_compile_options(vmstream_build INTERFACE
    -fsanitize=${VMSTREAM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(vmstream_build INTERFACE -fsanitize=${VMSTREAM_SANITIZE})
else()
  # Level 3 needs g++ 12 or clang 9, and glibc 2.34; older ones say that they take it for 2.
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_FLAGS "-O2 -Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
  check_cxx_source_compiles("#include <features.h>
    #if __USE_FORTIFY_LEVEL < 3
    #error no level 3
    #endif
    int main() {}" VMSTREAM_FORTIFY_3)
  unset(CMAKE_REQUIRED_FLAGS)
  set(fortify $<IF:$<BOOL:${VMSTREAM_FORTIFY_3}>,3,2>)
  target_compile_options(vmstream_build INTERFACE
    -fstack-protector-strong $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE>
    $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=${fortify}>)
  target_link_options(vmstream_build INTERFACE -Wl,-z,relro,-z,now)
endif()

# Programs are position independent too, when compiled and when linked.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)
