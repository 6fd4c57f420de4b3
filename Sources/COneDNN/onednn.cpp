#include "COneDNN.h"

#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

using dnnl::memory;

namespace {

thread_local char last_error[512] = "";

/// Runs body and turns what it throws into a status and a message.
template <typename Body>
int guarded(Body &&body) noexcept {
  try {
    body();
    return 0;
  } catch (const std::exception &error) {
    std::snprintf(last_error, sizeof last_error, "%s", error.what());
  } catch (...) {
    std::snprintf(last_error, sizeof last_error, "an exception of unknown type");
  }
  return 1;
}

const dnnl::engine &cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::desc memory_description(const ballast_operand &operand, int rank) {
  if (rank < 2 || rank > BALLAST_MAX_RANK) throw std::invalid_argument("the rank is not 2 to 5");
  const auto type = operand.type == BALLAST_BFLOAT16 ? memory::data_type::bf16
                                                     : memory::data_type::f32;
  return memory::desc(
      memory::dims(operand.extents, operand.extents + rank), type,
      memory::dims(operand.strides, operand.strides + rank));
}

/// A matrix in panels of 64 columns, as CKernels packs them.
memory::desc panels(const ballast_operand &operand) {
  const bool isHalf = operand.type == BALLAST_BFLOAT16;
  return memory::desc(
      memory::dims(operand.extents, operand.extents + 2),
      isHalf ? memory::data_type::bf16 : memory::data_type::f32,
      isHalf ? memory::format_tag::BA16a64b2a : memory::format_tag::BA16a64b);
}

dnnl::matmul::primitive_desc primitive_description(const ballast_matmul_description &d) {
  const memory::desc a = memory_description(d.a, d.rank),
                     b = d.has_panels ? panels(d.b) : memory_description(d.b, d.rank),
                     c = memory_description(d.c, d.rank);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (d.accumulates) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
#if DNNL_VERSION_MAJOR >= 3
  dnnl::matmul::primitive_desc description(cpu(), a, b, c, attributes);
#else
  dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a, b, c), attributes, cpu());
#endif
  while (d.unwanted && std::strstr(description.impl_info_str(), d.unwanted))
    if (!description.next_impl())
      throw std::runtime_error(std::string("there is no kernel but ") + d.unwanted);
  return description;
}

}  // namespace

/// What one execution of a product needs.
struct Slot {
  explicit Slot(const dnnl::matmul::primitive_desc &description)
      : stream(cpu()),
        a(description.src_desc(), cpu(), nullptr),
        b(description.weights_desc(), cpu(), nullptr),
        c(description.dst_desc(), cpu(), nullptr),
        scratchpad(description.scratchpad_desc(), cpu(), nullptr) {}

  dnnl::stream stream;
  memory a, b, c, scratchpad;
};

/// A product, with everything that execution needs made beforehand.
struct ballast_matmul {
  ballast_matmul(const ballast_matmul_description &d, int count)
      : description(primitive_description(d)),
        primitive(description),
        implementation(description.impl_info_str()) {
    for (int slot = 0; slot < count; ++slot) slots.emplace_back(description);
  }

  dnnl::matmul::primitive_desc description;
  dnnl::matmul primitive;
  std::string implementation;
  std::vector<Slot> slots;
};

const char *ballast_last_error(void) { return last_error; }

// Products

int ballast_matmul_create(
    const ballast_matmul_description *description, int slots, ballast_matmul **matmul) {
  *matmul = nullptr;
  return guarded([&] {
    *matmul = new ballast_matmul(*description, slots);
  });
}

int ballast_matmul_described_bytes(const ballast_matmul_description *description, size_t *bytes) {
  *bytes = 0;
  return guarded([&] {
    *bytes = primitive_description(*description).scratchpad_desc().get_size();
  });
}

int ballast_matmul_is_fast(const ballast_matmul_description *description) {
  bool isFast = false;
  const int status = guarded([&] {
    isFast = std::string(primitive_description(*description).impl_info_str()).rfind("brg", 0) == 0;
  });
  return status == 0 && isFast;
}

size_t ballast_matmul_scratchpad_bytes(const ballast_matmul *matmul) {
  return matmul->description.scratchpad_desc().get_size();
}

const char *ballast_matmul_implementation(const ballast_matmul *matmul) {
  return matmul->implementation.c_str();
}

int ballast_matmul_execute(
    ballast_matmul *matmul, int index, const void *a, const void *b, void *c, void *scratchpad) {
  return guarded([&] {
    Slot &slot = matmul->slots[index];
    slot.a.set_data_handle(const_cast<void *>(a));
    slot.b.set_data_handle(const_cast<void *>(b));
    slot.c.set_data_handle(c);
    slot.scratchpad.set_data_handle(scratchpad);
    // The C function, since the C++ one copies a map and builds a vector each time.
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, slot.a.get()},
        {DNNL_ARG_WEIGHTS, slot.b.get()},
        {DNNL_ARG_DST, slot.c.get()},
        {DNNL_ARG_SCRATCHPAD, slot.scratchpad.get()},
    };
    dnnl::error::wrap_c_api(
        dnnl_primitive_execute(matmul->primitive.get(), slot.stream.get(), 4, arguments),
        "could not execute a matrix product");
    slot.stream.wait();
  });
}

void ballast_matmul_destroy(ballast_matmul *matmul) { delete matmul; }

void ballast_onednn_version(int version[3]) {
  const dnnl_version_t *loaded = dnnl_version();
  version[0] = loaded->major;
  version[1] = loaded->minor;
  version[2] = loaded->patch;
}
